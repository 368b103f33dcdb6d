/** Errors of the reference. */
import type { PruningErrorCode } from "../prune/layer.ts";

/** Thrown by the reference, with the code of the corresponding PruningError. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly code: PruningErrorCode;

  constructor(code: PruningErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
