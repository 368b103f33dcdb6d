/** Formats tables as text, and arranges results like INC's published tables. */

import type { ResultRow, ResultTable } from "./run-report.ts";

/** A table of text cells. Every row has as many cells as `header`. */
export interface TextTable {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Returns the mean of `values`; NaN if the list is empty. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Returns the largest of `values`; -Infinity if the list is empty. */
export function maximum(values: readonly number[]): number {
  return values.reduce((largest, value) => Math.max(largest, value), -Infinity);
}

/** Returns the relative drop, (sparse max - dense max) / dense max. It is negative if the sparse model is worse. */
export function relativeDrop(row: ResultRow): number {
  const dense = maximum(row.dense);
  return (maximum(row.sparse) - dense) / dense;
}

/** Formats a ratio as a signed percentage with two decimals; `-` if it is not finite. */
export function formatSignedPercent(ratio: number): string {
  if (!Number.isFinite(ratio)) return "-";
  const text = (100 * ratio).toFixed(2);
  return `${ratio > 0 && !text.startsWith("-") ? "+" : ""}${text}%`;
}

/**
 * Formats the mean and the maximum of a metric over seeds, in percent, such as `85.32/86.04`; `-` if a seed does not have
 * the metric.
 */
export function formatMeanMax(values: readonly number[]): string {
  if (!values.every(Number.isFinite)) return "-";
  return `${(100 * mean(values)).toFixed(2)}/${(100 * maximum(values)).toFixed(2)}`;
}

/** Formats `part / whole` with four decimals, such as `0.5000`; `-` if `whole` is 0. */
export function formatShare(part: number, whole: number): string {
  return whole === 0 ? "-" : (part / whole).toFixed(4);
}

/** Formats a number of seconds, with one decimal if it is less than ten. */
export function formatSeconds(seconds: number): string {
  return seconds < 10 ? seconds.toFixed(1) : seconds.toFixed(0);
}

/** Formats a number of bytes with three digits in units of 1000, such as `17.4 MB`. */
export function formatBytes(bytes: number): string {
  const unit = bytes < 1e3 ? "bytes" : bytes < 1e6 ? "kB" : bytes < 1e9 ? "MB" : "GB";
  const size = { bytes: 1, kB: 1e3, MB: 1e6, GB: 1e9 }[unit];
  const value = bytes / size;
  const digits = unit === "bytes" || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${unit}`;
}

/** Formats a count or a mean of counts, with one decimal if it is not an integer. */
function formatCount(count: number): string {
  return Number.isInteger(count) ? String(count) : count.toFixed(1);
}

/** Converts results to a table of text. Metrics are shown as mean/max over seeds, in percent. */
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
      row.label,
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

/** Formats a table in Markdown, with columns of equal width. The first column is left-aligned, the others right-aligned. */
export function formatMarkdown({ header, rows }: TextTable): string {
  const lines = [header, ...rows].map((cells) =>
    cells.map((cell) => cell.replace(/\p{Cc}/gu, " ").replaceAll("|", "\\|")),
  );
  const widths = header.map((_, column) =>
    Math.max(3, maximum(lines.map((cells) => (cells[column] ?? "").length))),
  );
  const [head = [], ...body] = lines.map((cells) =>
    widths.map((width, column) => {
      const cell = cells[column] ?? "";
      return column === 0 ? cell.padEnd(width) : cell.padStart(width);
    }),
  );
  const rule = widths.map((width, column) =>
    column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`,
  );
  return [head, rule, ...body].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/**
 * Formats a table as lines of text without a final line break. The first column is left-aligned, and the others are
 * right-aligned. Control characters are replaced by spaces, because the text of cells may come from files.
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
