/** The metrics by which models are compared, with their names in texts and in metrics.jsonl. */

/** The key of a metric in an evaluation. */
export type MetricName =
  | "accuracy"
  | "f1"
  | "macroF1"
  | "microF1"
  | "matthews"
  | "meanSquaredError"
  | "pearson"
  | "spearman";

/** Each metric's name in texts, and its key in metrics.jsonl. */
export const METRIC_NAMES: Readonly<
  Record<MetricName, { readonly text: string; readonly key: string }>
> = Object.freeze({
  accuracy: { text: "accuracy", key: "accuracy" },
  f1: { text: "F1", key: "f1" },
  macroF1: { text: "macro F1", key: "macro_f1" },
  microF1: { text: "micro F1", key: "micro_f1" },
  matthews: { text: "Matthews correlation", key: "matthews" },
  meanSquaredError: { text: "mean squared error", key: "mean_squared_error" },
  pearson: { text: "Pearson correlation", key: "pearson" },
  spearman: { text: "Spearman correlation", key: "spearman" },
});
