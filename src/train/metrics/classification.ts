/**
 * Metrics of single-label classification, as in scikit-learn with `zero_division=0`. Averages are over the classes that
 * occur in the labels or the predictions.
 */
import { checkLength } from "../../core/checks.ts";
import { sumOf } from "../../core/sum.ts";

/** The metrics of one class. A share is 0 if its denominator is 0. */
export interface ClassMetrics {
  /** The id of the class. */
  readonly id: number;
  /** Share of correct predictions among the predictions of this class. */
  readonly precision: number;
  /** Share of correct predictions among the rows of this class. */
  readonly recall: number;
  /** Harmonic mean of precision and recall. */
  readonly f1: number;
  /** Number of rows of this class. */
  readonly support: number;
}

export interface ClassificationMetrics {
  readonly accuracy: number;
  /** Mean of the F1 of the classes. */
  readonly macroF1: number;
  /** F1 of all decisions together. With one label a row, it equals the accuracy. */
  readonly microF1: number;
  /** Mean of the F1 of the classes, weighted by support. */
  readonly weightedF1: number;
  /** F1 of class 1; null if a class other than 0 and 1 occurs. */
  readonly binaryF1: number | null;
  /** Matthews correlation coefficient; 0 if labels or predictions are constant. */
  readonly matthews: number;
  /** The classes that occur, in ascending order. */
  readonly perClass: readonly ClassMetrics[];
  /** Number of rows by label (first index) and prediction (second index), in the order of `perClass`. */
  readonly confusion: readonly (readonly number[])[];
}

/**
 * Computes the metrics of predicted classes.
 *
 * @param labels the class of each row
 * @param predictions the predicted class of each row
 * @throws RangeError if there are no rows, or if the lengths differ
 */
export function classificationMetrics(
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
): ClassificationMetrics {
  const rows = labels.length;
  checkLength("predictions", predictions, rows);
  if (rows === 0) throw new RangeError("labels: expected at least one row, got none");
  const ids = [...new Set([...Array.from(labels), ...Array.from(predictions)])];
  ids.sort((a, b) => a - b);
  const indexOf = new Map(ids.map((id, index) => [id, index]));
  const confusion = ids.map(() => new Array<number>(ids.length).fill(0));
  for (let row = 0; row < rows; row++) {
    const counts = confusion[indexOf.get(labels[row] as number) as number] as number[];
    const index = indexOf.get(predictions[row] as number) as number;
    counts[index] = (counts[index] as number) + 1;
  }
  const support = confusion.map((counts) => sumOf(counts, identity));
  const predicted = ids.map((_, index) => sumOf(confusion, (counts) => counts[index] as number));
  const hits = confusion.map((counts, index) => counts[index] as number);
  const perClass = ids.map((id, index) =>
    classMetrics(id, hits[index] as number, support[index] as number, predicted[index] as number),
  );
  const allHits = sumOf(hits, identity);
  const accuracy = allHits / rows;
  return {
    accuracy,
    macroF1: sumOf(perClass, ({ f1 }) => f1) / ids.length,
    microF1: accuracy,
    weightedF1: sumOf(perClass, (metrics) => metrics.f1 * metrics.support) / rows,
    binaryF1: ids.every((id) => id === 0 || id === 1)
      ? (perClass.find(({ id }) => id === 1)?.f1 ?? 0)
      : null,
    matthews: matthews(rows, allHits, support, predicted),
    perClass,
    confusion,
  };
}

/** Computes precision, recall and F1 from counts. */
export function classMetrics(
  id: number,
  hits: number,
  support: number,
  predicted: number,
): ClassMetrics {
  return {
    id,
    precision: share(hits, predicted),
    recall: share(hits, support),
    f1: share(2 * hits, support + predicted),
    support,
  };
}

/** The correlation of labels and predictions as vectors with a 1 at the class (Gorodkin, 2004). */
function matthews(
  rows: number,
  hits: number,
  support: readonly number[],
  predicted: readonly number[],
): number {
  const indices = [...support.keys()];
  const products = (a: readonly number[], b: readonly number[]) =>
    sumOf(indices, (index) => (a[index] as number) * (b[index] as number));
  const labelVariance = rows * rows - products(support, support);
  const predictionVariance = rows * rows - products(predicted, predicted);
  if (labelVariance === 0 || predictionVariance === 0) return 0;
  const covariance = hits * rows - products(support, predicted);
  return covariance / Math.sqrt(labelVariance) / Math.sqrt(predictionVariance);
}

function identity(value: number): number {
  return value;
}

/** Returns part / whole, or 0 if the whole is 0. */
export function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
