/** States in words how a sparse model compares with the dense one. */
import type { ModelRow } from "./run-report.ts";
import { formatBytes, mean } from "./table.ts";

/** Returns the difference of the means in points, such as `0.4 points better than dense`; `-` if one is not finite. */
export function againstDense(sparse: readonly number[], dense: readonly number[]): string {
  const points = 100 * (mean(sparse) - mean(dense));
  if (!Number.isFinite(points)) return "-";
  const shown = Math.abs(points).toFixed(1);
  if (shown === "0.0") return "same as dense";
  const unit = shown === "1.0" ? "point" : "points";
  return `${shown} ${unit} ${points > 0 ? "better" : "worse"} than dense`;
}

/** Returns the relation of two speeds, such as `2.1 times as fast as dense`. */
export function speedAgainstDense(sparse: number, dense: number): string {
  const ratio = (sparse / dense).toFixed(1);
  return ratio === "1.0" ? "as fast as dense" : `${ratio} times as fast as dense`;
}

/** Formats the mean of a metric over seeds in percent, and its maximum if there are several seeds. */
export function formatMetricOverSeeds(values: readonly number[]): string {
  if (values.length === 0 || !values.every(Number.isFinite)) return "-";
  const average = (100 * mean(values)).toFixed(2);
  return values.length === 1
    ? average
    : `${average} (max ${(100 * Math.max(...values)).toFixed(2)})`;
}

/** Returns a sentence for each pattern that compares it with the dense models. Without patterns, describes these. */
export function comparisonLines(metric: string, models: readonly ModelRow[]): readonly string[] {
  const [dense, ...sparse] = models;
  if (dense === undefined) return [];
  if (sparse.length === 0) return [describeAlone(metric, dense)];
  return sparse.map((row) => {
    const quality = `${metric} ${meanOf(row.metric)}, ${againstDense(row.metric, dense.metric)} (${percentOf(dense.metric)})`;
    return `${row.label}: ${[quality, ...sizeOf(row, dense), ...speedOf(row, dense)].join("; ")}`;
  });
}

function percentOf(values: readonly number[]): string {
  const average = 100 * mean(values);
  return Number.isFinite(average) ? average.toFixed(2) : "-";
}

function meanOf(values: readonly number[]): string {
  return values.length > 1
    ? `${percentOf(values)} (mean of ${values.length} seeds)`
    : percentOf(values);
}

function describeAlone(metric: string, { label, metric: values, bytes, rowsPerSecond }: ModelRow) {
  const parts = [
    `${metric} ${meanOf(values)}`,
    ...(bytes === undefined ? [] : [`file ${formatBytes(bytes.plain)}`]),
    ...(rowsPerSecond === undefined ? [] : [`${formatSpeed(rowsPerSecond)} rows a second`]),
  ];
  return `${label}: ${parts.join("; ")}`;
}

function sizeOf({ bytes }: ModelRow, dense: ModelRow): readonly string[] {
  if (bytes === undefined || bytes.packed === null || dense.bytes === undefined) return [];
  return [`file ${formatBytes(dense.bytes.plain)} dense, ${formatBytes(bytes.packed)} packed`];
}

function speedOf({ rowsPerSecond }: ModelRow, dense: ModelRow): readonly string[] {
  if (rowsPerSecond === undefined || dense.rowsPerSecond === undefined) return [];
  return [speedAgainstDense(rowsPerSecond, dense.rowsPerSecond)];
}

/** Formats a number of rows a second with at least three digits. */
export function formatSpeed(rowsPerSecond: number): string {
  return rowsPerSecond < 100 ? rowsPerSecond.toPrecision(3) : rowsPerSecond.toFixed(0);
}
