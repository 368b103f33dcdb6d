/** The input and output of a command, passed as an argument so that tests can run commands in-process. */

import type { Engine } from "../node/engine.ts";

export interface TextOutput {
  readonly write: (text: string) => void;
  /** Whether progress can be redrawn in place. */
  readonly isTerminal: boolean;
  /** Number of characters in a line. */
  readonly columns: number;
}

export interface Console {
  /** Receives the results; with `--json`, only JSON. */
  readonly out: TextOutput;
  /** Receives progress and errors. */
  readonly err: TextOutput;
  /** Aborted when the user asks to stop. */
  readonly signal: AbortSignal;
  /** The script of workers that train one seed each; null: all seeds run in this thread. */
  readonly workerScript: URL | null;
  /** The engine whose flags commands may turn on; null: no flags are changed. */
  readonly engine: Engine | null;
}
