/** Formats text tables, and the results table in its usual published form. */

import type { ResultRow, ResultTable } from "./run-report.ts";

/** A table of text. Every row has the length of `header`. */
export interface TextTable {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** The mean of `values`; NaN if there are none. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The largest of `values`; -Infinity if there are none. */
export function maximum(values: readonly number[]): number {
  return values.reduce((largest, value) => Math.max(largest, value), -Infinity);
}

/** The relative drop: (sparse max - dense max) / dense max. Negative if the sparse model is worse. */
export function relativeDrop(row: ResultRow): number {
  const dense = maximum(row.dense);
  return (maximum(row.sparse) - dense) / dense;
}

/** A ratio as a signed percentage with two decimals; `-` if it is not finite. */
export function formatSignedPercent(ratio: number): string {
  if (!Number.isFinite(ratio)) return "-";
  const text = (100 * ratio).toFixed(2);
  return `${ratio > 0 && !text.startsWith("-") ? "+" : ""}${text}%`;
}

/** Formats the mean and the maximum of a metric over seeds, in percent. */
export function formatMeanMax(values: readonly number[]): string {
  return `${(100 * mean(values)).toFixed(2)}/${(100 * maximum(values)).toFixed(2)}`;
}

/** Formats a share such as `0.5000`; a dash if the whole is 0. */
export function formatShare(part: number, whole: number): string {
  return whole === 0 ? "-" : (part / whole).toFixed(4);
}

/** Formats seconds, below ten with one decimal. */
export function formatSeconds(seconds: number): string {
  return seconds < 10 ? seconds.toFixed(1) : seconds.toFixed(0);
}

/** Formats a count, or a mean of counts with one decimal. */
function formatCount(count: number): string {
  return Number.isInteger(count) ? String(count) : count.toFixed(1);
}

/** Converts results to a table of text. Metrics are mean/max over seeds in percent. */
export function resultsTable(results: ResultTable): TextTable {
  const oneShot = results.rows.some((row) => row.withoutFineTuning !== undefined);
  return {
    header: [
      "pattern",
      "blocks pruned",
      "sparsity (linear)",
      "sparsity (pruned)",
      `dense ${results.metric} mean/max`,
      `sparse ${results.metric} mean/max`,
      ...(oneShot ? ["without fine-tuning"] : []),
      "relative drop",
      "seconds",
    ],
    rows: results.rows.map((row) => [
      row.pattern,
      `${formatCount(row.prunedBlocks)}/${formatCount(row.totalBlocks)}`,
      row.sparsityOverLinear.toFixed(4),
      row.sparsityOverPruned.toFixed(4),
      formatMeanMax(row.dense),
      formatMeanMax(row.sparse),
      ...(oneShot
        ? [row.withoutFineTuning === undefined ? "-" : formatMeanMax(row.withoutFineTuning)]
        : []),
      formatSignedPercent(relativeDrop(row)),
      formatSeconds(row.seconds),
    ]),
  };
}

/**
 * Formats a table as lines of text without a final line break. The first column is left-aligned, the others
 * right-aligned. Control characters become spaces, because cells may come from files.
 */
export function formatTable(table: TextTable): string {
  const lines = [table.header, ...table.rows].map((cells) =>
    cells.map((cell) => cell.replace(/\p{Cc}/gu, " ")),
  );
  const widths = table.header.map((_, column) =>
    maximum(lines.map((cells) => (cells[column] ?? "").length)),
  );
  const line = (cells: readonly string[]): string =>
    widths
      .map((width, column) => {
        const cell = cells[column] ?? "";
        return column === 0 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join("  ")
      .trimEnd();
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  const [header = "", ...rows] = lines.map(line);
  return [header, rule, ...rows].join("\n");
}
