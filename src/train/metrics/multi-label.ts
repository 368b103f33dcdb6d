/** Metrics of multi-label classification, as in scikit-learn with `zero_division=0`. */
import { checkInteger, checkLength, checkNumber } from "../../core/checks.ts";
import { sumOf } from "../../core/sum.ts";
import { type ClassMetrics, classificationMetrics, classMetrics, share } from "./classification.ts";

export interface MultiLabelMetrics {
  /** Share of the rows in which every label is predicted correctly. */
  readonly accuracy: number;
  /** Mean of the F1 of the labels. */
  readonly macroF1: number;
  /** F1 of all decisions together. */
  readonly microF1: number;
  /** Mean of the F1 of the labels, weighted by support. */
  readonly weightedF1: number;
  /** Mean of the F1 of the rows; null for a single label. */
  readonly samplesF1: number | null;
  readonly perClass: readonly ClassMetrics[];
}

/**
 * Decides the labels of each row: those with a probability above the threshold. Probabilities are the logistic function
 * of the logits, one for each label.
 *
 * @param logits [rows, labels], row-major
 * @param threshold a probability between 0 and 1. Default 0.5, which is a logit of 0
 * @returns [rows, labels] of 0 and 1
 */
export function labelsAbove(logits: ArrayLike<number>, threshold: number = 0.5): Uint8Array {
  const least = logitThreshold(threshold);
  return Uint8Array.from(logits, (logit) => (logit > least ? 1 : 0));
}

/** Returns the logit whose logistic function is the threshold, a probability between 0 and 1. */
export function logitThreshold(threshold: number): number {
  checkNumber("threshold", threshold, 0, 1);
  return Math.log(threshold / (1 - threshold));
}

/**
 * Computes the metrics of predicted label sets.
 *
 * scikit-learn treats a single label as the classes 0 and 1, and so does this function.
 *
 * @param labels [rows, width] of 0 and 1, row-major
 * @param predictions of the same shape
 * @param width number of labels
 * @throws RangeError if there are no rows, or if the lengths differ
 */
export function multiLabelMetrics(
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
  width: number,
): MultiLabelMetrics {
  checkInteger("width", width, 1);
  checkLength("predictions", predictions, labels.length);
  const rows = labels.length / width;
  checkInteger("labels.length / width", rows, 1);
  if (width === 1) return { ...classificationMetrics(labels, predictions), samplesF1: null };
  const ofColumn = Array.from({ length: width }, () => ({ hits: 0, support: 0, predicted: 0 }));
  let exact = 0;
  let rowF1 = 0;
  for (let row = 0; row < rows; row++) {
    const own = { hits: 0, support: 0, predicted: 0 };
    for (const [column, counts] of ofColumn.entries()) {
      const label = labels[row * width + column] === 1 ? 1 : 0;
      const predicted = predictions[row * width + column] === 1 ? 1 : 0;
      for (const total of [own, counts]) {
        total.hits += label * predicted;
        total.support += label;
        total.predicted += predicted;
      }
    }
    if (own.hits === own.support && own.hits === own.predicted) exact++;
    rowF1 += share(2 * own.hits, own.support + own.predicted);
  }
  const perClass = ofColumn.map(({ hits, support, predicted }, id) =>
    classMetrics(id, hits, support, predicted),
  );
  const hits = sumOf(ofColumn, (counts) => counts.hits);
  const support = sumOf(ofColumn, (counts) => counts.support);
  const predicted = sumOf(ofColumn, (counts) => counts.predicted);
  return {
    accuracy: exact / rows,
    macroF1: sumOf(perClass, ({ f1 }) => f1) / width,
    microF1: share(2 * hits, support + predicted),
    weightedF1: share(
      sumOf(perClass, (metrics) => metrics.f1 * metrics.support),
      support,
    ),
    samplesF1: rowF1 / rows,
    perClass,
  };
}

/** Returns the metrics of each label. Those of a single label are in scikit-learn's class 1. */
export function metricsByLabel(
  { perClass }: MultiLabelMetrics,
  width: number,
): readonly ClassMetrics[] {
  if (width > 1) return perClass;
  const own = perClass.find(({ id }) => id === 1) ?? classMetrics(1, 0, 0, 0);
  return [{ ...own, id: 0 }];
}
