/** The error that the reference throws. */
import { checkString } from "../core/checks.ts";
import type { PruningErrorCode } from "../prune/layer.ts";

/** Thrown by the reference if pruning cannot be carried out, with the code of the corresponding PruningError. */
export class Refusal extends RangeError {
  override readonly name = "Refusal";
  readonly code: PruningErrorCode;

  constructor(code: PruningErrorCode, message: string) {
    checkString("code", code);
    checkString("message", message);
    super(message);
    this.code = code;
  }
}
