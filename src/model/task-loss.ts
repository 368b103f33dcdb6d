import { crossEntropy, meanSquaredError } from "../autograd/losses.ts";
import type { Variable } from "../autograd/records.ts";
import { input, type Tape } from "../autograd/tape.ts";
import { describe } from "../core/checks.ts";
import type { ModelConfig } from "./config.ts";

/**
 * The loss that transformers' sequence classifiers compute from labels: mean squared error for one
 * label (regression), else cross-entropy.
 *
 * @param labels - Int32Array of classes, or Float32Array of values for regression; one per example
 */
export function taskLoss(
  tape: Tape,
  config: ModelConfig,
  logits: Variable,
  labels: Int32Array | Float32Array,
): Variable {
  if (config.labels === 1) {
    if (!(labels instanceof Float32Array)) {
      throw new TypeError(
        `labels: expected a Float32Array for regression, got ${describe(labels)}`,
      );
    }
    return meanSquaredError(tape, logits, input(tape, logits.shape, labels));
  }
  if (!(labels instanceof Int32Array)) {
    throw new TypeError(`labels: expected an Int32Array of classes, got ${describe(labels)}`);
  }
  return crossEntropy(tape, logits, labels);
}
