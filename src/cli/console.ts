/** What a command talks to. It is injected, so tests run commands in-process. */

import type { Engine } from "../node/engine.ts";

/** Where text goes. */
export interface TextOutput {
  readonly write: (text: string) => void;
  /** Progress is drawn in place on a terminal. */
  readonly isTerminal: boolean;
  /** Characters in a line. */
  readonly columns: number;
}

/** The surroundings of a command. */
export interface Console {
  /** Results. With `--json` nothing but JSON. */
  readonly out: TextOutput;
  /** Progress and errors. */
  readonly err: TextOutput;
  /** Aborted when the user asks to stop. */
  readonly signal: AbortSignal;
  /** The script that trains one seed as a worker; null: seeds run in this thread. */
  readonly workerScript: URL | null;
  /** The engine whose flags may be turned on; null: they stay as they are. */
  readonly engine: Engine | null;
}
