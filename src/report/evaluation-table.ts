/** Formats the metrics of an evaluation as text. */
import { METRIC_NAMES } from "../core/metric-names.ts";
import type { NamedMetrics } from "../train/metrics/named-metrics.ts";
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
  const classes = formatTable({
    header: ["label", "precision", "recall", "F1", "rows"],
    rows: perClass.map(({ precision, recall, f1, support }, i) => [
      labels[i] ?? "",
      ...[precision, recall, f1].map(formatMetric),
      String(support),
    ]),
  });
  const parts = confusion === null ? [] : [formatConfusion(confusion, labels)];
  return [metrics, classes, ...parts].join("\n\n");
}

/** Formats a metric with four decimals; `-` if it is not defined. */
export function formatMetric(value: number | null): string {
  return value === null ? "-" : value.toFixed(4);
}

function formatConfusion(
  confusion: readonly (readonly number[])[],
  labels: readonly string[],
): string {
  if (labels.length <= MOST_COLUMNS)
    return `rows by label (down) and prediction (across):\n${formatTable({
      header: ["label", ...labels],
      rows: confusion.map((counts, i) => [labels[i] ?? "", ...counts.map(String)]),
    })}`;
  const errors = confusion.flatMap((counts, label) =>
    counts.flatMap((count, predicted) =>
      count === 0 || label === predicted ? [] : [{ count, label, predicted }],
    ),
  );
  const first = errors.sort((a, b) => b.count - a.count).slice(0, MOST_COLUMNS);
  return `the most frequent errors (--json has the whole matrix):\n${formatTable({
    header: ["label", "prediction", "rows"],
    rows: first.map(({ count, label, predicted }) => [
      ...[label, predicted].map((id) => labels[id] ?? ""),
      String(count),
    ]),
  })}`;
}
