/** Detects that training has diverged: a loss, a logit or a weight is not finite. */
import type { Parameters } from "../tensor/parameter.ts";

/** Thrown if training diverges. The loss and the logits are checked before the update, and weights after it. */
export class DivergenceError extends RangeError {
  override readonly name = "DivergenceError";
}

/** @param step - the number of the step, counted from 1 */
function divergence(step: number, found: string): DivergenceError {
  return new DivergenceError(
    `training diverged at step ${step}: ${found} (try a lower learning rate)`,
  );
}

/** Checks the loss and the logits of a step. @throws DivergenceError if one is not finite */
export function checkOutputs(step: number, loss: number, logits: Float32Array): void {
  const at = firstNotFinite(logits);
  if (at >= 0) throw divergence(step, `logits[${at}] is ${logits[at]}`);
  if (!Number.isFinite(loss)) throw divergence(step, `the loss is ${loss}`);
}

/** Checks all weights after a step. @throws DivergenceError if one is not finite */
export function checkWeights(step: number, parameters: Parameters): void {
  const found = notFiniteWeight(parameters);
  if (found !== undefined) throw divergence(step, found);
}

/**
 * Returns a message about the divergence of a run: the first weight that is not finite after `step` completed updates,
 * or, if all are finite, the error of the next step.
 */
export function divergenceOf(error: DivergenceError, step: number, parameters: Parameters): string {
  const found = step === 0 ? undefined : notFiniteWeight(parameters);
  return (found === undefined ? error : divergence(step, found)).message;
}

/** Describes the first weight that is not finite; undefined if all are finite. */
export function notFiniteWeight(parameters: Parameters): string | undefined {
  for (const [name, { value }] of parameters) {
    const { data } = value;
    const at = firstNotFinite(data);
    if (at >= 0) return `${name}[${at}] is ${data[at]}`;
  }
  return undefined;
}

/** Returns the index of the first element that is not finite, or -1. */
function firstNotFinite(values: Float32Array): number {
  // x - x is 0 for a finite number, otherwise NaN. The sum of these differences over a part shows, without branches,
  // whether a value is not finite.
  for (let begin = 0; begin < values.length; begin += PART) {
    const end = Math.min(values.length, begin + PART);
    let sum = 0;
    for (let i = begin; i < end; i++) {
      const value = values[i] ?? 0;
      sum += value - value;
    }
    if (sum !== 0) return values.findIndex((value) => !Number.isFinite(value));
  }
  return -1;
}

const PART = 4096;
