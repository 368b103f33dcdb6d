/** The error that the reference throws. */
import type { PruningErrorCode } from "../prune/layer.ts";

/** Thrown by the reference if pruning cannot be carried out, with the code of the corresponding PruningError. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly code: PruningErrorCode;

  constructor(code: PruningErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
