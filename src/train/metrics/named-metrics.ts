/** The metrics of each kind of problem. */
import type { MetricName } from "../../core/metric-names.ts";
import type { ProblemType } from "../../core/problem-type.ts";
import { type ClassMetrics, classificationMetrics } from "./classification.ts";
import { metricsByLabel, multiLabelMetrics } from "./multi-label.ts";
import { regressionMetrics } from "./regression.ts";

/** Returns the metrics of a model, the most telling one first. `f1` is the F1 of one of two classes. */
export function metricsOf(
  problemType: ProblemType,
  outputs: number,
): readonly [MetricName, ...MetricName[]] {
  switch (problemType) {
    case "single_label_classification":
      return outputs === 2
        ? ["accuracy", "f1", "macroF1", "matthews"]
        : ["accuracy", "macroF1", "matthews"];
    case "multi_label_classification":
      return ["microF1", "macroF1", "accuracy"];
    case "regression":
      return ["pearson", "spearman", "meanSquaredError"];
    default:
      return problemType satisfies never;
  }
}

/** The smallest and the largest value of a metric; null for an error, which has no largest one. */
export function rangeOf(metric: MetricName): readonly [least: number, most: number] | null {
  if (metric === "meanSquaredError") return null;
  const isCorrelation = metric === "matthews" || metric === "pearson" || metric === "spearman";
  return isCorrelation ? [-1, 1] : [0, 1];
}

export interface NamedMetrics {
  /** Null for a correlation of constant values. */
  readonly values: ReadonlyMap<MetricName, number | null>;
  /** Empty for regression. */
  readonly perClass: readonly ClassMetrics[];
  /** Number of rows by label and prediction, in the order of `perClass`; null unless each row has one label. */
  readonly confusion: readonly (readonly number[])[] | null;
}

/**
 * Computes the metrics of a model.
 *
 * @param labels ids, values, or for several labels a row [rows, outputs] of 0 and 1
 * @param predictions of the same form
 * @param positive the class whose F1 `f1` is
 * @throws RangeError if there are no rows, or if the lengths differ
 */
export function namedMetrics(
  problemType: ProblemType,
  outputs: number,
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
  positive: number = 1,
): NamedMetrics {
  const named = (values: Readonly<Partial<Record<MetricName, number | null>>>) =>
    new Map(metricsOf(problemType, outputs).map((name) => [name, values[name] ?? null]));
  switch (problemType) {
    case "single_label_classification": {
      const found = classificationMetrics(labels, predictions);
      const f1 = found.perClass.find(({ id }) => id === positive)?.f1 ?? 0;
      const values = named({ ...found, f1 });
      return { values, perClass: found.perClass, confusion: found.confusion };
    }
    case "multi_label_classification": {
      const found = multiLabelMetrics(labels, predictions, outputs);
      return {
        values: named(found),
        perClass: metricsByLabel(found, outputs),
        confusion: null,
      };
    }
    case "regression":
      return {
        values: named(regressionMetrics(labels, predictions)),
        perClass: [],
        confusion: null,
      };
    default:
      return problemType satisfies never;
  }
}
