/**
 * Defines a command's access to the terminal and the process. It is an argument, so that tests can run commands
 * in-process.
 */

import type { Engine } from "../node/engine.ts";

export interface TextOutput {
  readonly write: (text: string) => void;
  /** Whether the output is a terminal, on which progress can be redrawn in place. */
  readonly isTerminal: boolean;
  /** The number of characters in a line. */
  readonly columns: number;
}

export interface Console {
  /** The output for results; with `--json`, for JSON only. */
  readonly out: TextOutput;
  /** The output for progress and errors. */
  readonly err: TextOutput;
  /** Aborted when the user asks to stop. */
  readonly signal: AbortSignal;
  /** The script of worker threads, which train one seed or prune tensors; null if everything runs in this thread. */
  readonly workerScript: URL | null;
  /** The engine whose flags commands may turn on; null if no flag may be changed. */
  readonly engine: Engine | null;
}
