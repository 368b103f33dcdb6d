/** Makes tables of the metrics of an evaluation, and formats them as text. */
import { METRIC_NAMES } from "../core/metric-names.ts";
import type { ClassMetrics } from "../train/metrics/classification.ts";
import type { NamedMetrics } from "../train/metrics/named-metrics.ts";
import type { ReportTable } from "./run-report.ts";
import { formatTable } from "./table.ts";

/** With more classes, the matrix is too wide, and only its largest errors are listed. */
const MOST_COLUMNS = 20;

/** Formats metrics, the metrics of each class, and the confusion matrix. `names` are the labels by id. */
export function formatEvaluation(
  { values, perClass, confusion }: NamedMetrics,
  names: readonly string[],
): string {
  const metrics = formatTable({
    header: ["metric", "value"],
    rows: [...values].map(([name, value]) => [METRIC_NAMES[name].text, formatMetric(value)]),
  });
  if (perClass.length === 0) return metrics;
  const labels = perClass.map(({ id }) => names[id] ?? String(id));
  const classes = formatTable(classTable(perClass, labels));
  if (confusion === null) return [metrics, classes].join("\n\n");
  const counts = formatTable(confusionTable(confusion, labels));
  const title = isWhole(labels)
    ? "rows by label (down) and prediction (across)"
    : "the most frequent errors (--json has the whole matrix)";
  return [metrics, classes, `${title}:\n${counts}`].join("\n\n");
}

/** Lists precision, recall and F1 of each class. */
export function classTable(
  perClass: readonly ClassMetrics[],
  labels: readonly string[],
): ReportTable {
  return {
    header: ["label", "precision", "recall", "F1", "rows"],
    rows: perClass.map(({ precision, recall, f1, support }, i) => [
      labels[i] ?? "",
      ...[precision, recall, f1].map(formatMetric),
      String(support),
    ]),
  };
}

/** Formats a metric with four decimals; `-` if it is not defined. */
export function formatMetric(value: number | null): string {
  return value === null ? "-" : value.toFixed(4);
}

/** Formats a metric in percent with two decimals; `-` if it is not defined. */
export function formatPercent(value: number | null): string {
  return value === null || !Number.isFinite(value) ? "-" : (100 * value).toFixed(2);
}

/** Whether a matrix of these labels is not too wide. */
export function isWhole({ length }: readonly string[]): boolean {
  return length <= MOST_COLUMNS;
}

/** Returns the confusion matrix, or its largest errors if it is too wide. */
export function confusionTable(
  confusion: readonly (readonly number[])[],
  labels: readonly string[],
): ReportTable {
  if (!isWhole(labels)) return largestConfusions(confusion, labels);
  return {
    header: ["label", ...labels],
    rows: confusion.map((counts, i) => [labels[i] ?? "", ...counts.map(String)]),
  };
}

/** Lists the largest errors of a confusion matrix. */
export function largestConfusions(
  confusion: readonly (readonly number[])[],
  labels: readonly string[],
): ReportTable {
  const errors = confusion.flatMap((counts, label) =>
    counts.flatMap((count, predicted) =>
      count === 0 || label === predicted ? [] : [{ count, label, predicted }],
    ),
  );
  const first = errors.sort((a, b) => b.count - a.count).slice(0, MOST_COLUMNS);
  return {
    header: ["label", "prediction", "rows"],
    rows: first.map(({ count, label, predicted }) => [
      ...[label, predicted].map((id) => labels[id] ?? ""),
      String(count),
    ]),
  };
}
