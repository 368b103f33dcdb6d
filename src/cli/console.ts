/** What a command talks to: injected, so that tests run commands in-process. */

import type { Engine } from "../node/engine.ts";

/** Where text goes. */
export interface TextOutput {
  readonly write: (text: string) => void;
  /** Whether a person watches: then progress is drawn in place. */
  readonly isTerminal: boolean;
  /** The width of the terminal in characters. */
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
  /** The script that runs one seed as a worker; null: seeds run in this thread. */
  readonly workerScript: URL | null;
  /** Whose flags may be turned on; null: they stay as they are. */
  readonly engine: Engine | null;
}
