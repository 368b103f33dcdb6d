/** Why a step or a configuration cannot be carried out. */
import type { PruningErrorCode } from "../prune/layer.ts";

/** What the reference throws; `code` is that of the PruningError for the same cause. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly code: PruningErrorCode;

  constructor(code: PruningErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
