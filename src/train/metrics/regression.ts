/** Metrics of regression, as in scikit-learn (`mean_squared_error`) and scipy (`pearsonr`, `spearmanr`). */
import { checkLength } from "../../core/checks.ts";
import { averageRanks } from "./ranks.ts";

export interface RegressionMetrics {
  readonly meanSquaredError: number;
  /** Pearson's linear correlation; null for fewer than two rows, or if labels or predictions are constant. */
  readonly pearson: number | null;
  /** Spearman's rank correlation; null for fewer than two rows, or if labels or predictions are constant. */
  readonly spearman: number | null;
}

/**
 * Computes the metrics of predicted values.
 *
 * @throws RangeError if there are no rows, or if the lengths differ
 */
export function regressionMetrics(
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
): RegressionMetrics {
  return {
    meanSquaredError: meanSquaredError(labels, predictions),
    pearson: pearson(labels, predictions),
    spearman: pearson(averageRanks(labels), averageRanks(predictions)),
  };
}

/** Returns the mean of the squared differences, over all outputs of all rows. */
export function meanSquaredError(
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
): number {
  checkLength("predictions", predictions, labels.length);
  if (labels.length === 0) throw new RangeError("labels: expected at least one row, got none");
  let total = 0;
  for (let i = 0; i < labels.length; i++)
    total += ((labels[i] as number) - (predictions[i] as number)) ** 2;
  return total / labels.length;
}

function pearson(x: ArrayLike<number>, y: ArrayLike<number>): number | null {
  if (isConstant(x) || isConstant(y)) return null;
  const a = centred(x);
  const b = centred(y);
  const lengths = Math.sqrt(dot(a, a)) * Math.sqrt(dot(b, b));
  return Math.max(-1, Math.min(1, dot(a, b) / lengths));
}

function isConstant(values: ArrayLike<number>): boolean {
  for (let i = 1; i < values.length; i++) if (values[i] !== values[0]) return false;
  return true;
}

/** Subtracts the mean twice, because the first mean is rounded. */
function centred(values: ArrayLike<number>): Float64Array {
  const once = Float64Array.from(values);
  for (let pass = 0; pass < 2; pass++) {
    let total = 0;
    for (const value of once) total += value;
    const mean = total / once.length;
    for (let i = 0; i < once.length; i++) once[i] = (once[i] as number) - mean;
  }
  return once;
}

function dot(a: Float64Array, b: Float64Array): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += (a[i] as number) * (b[i] as number);
  return total;
}
