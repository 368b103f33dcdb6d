/** Arranges the final models in one table: metric, size and speed of the dense models and of each pattern. */
import { againstDense, formatMetricOverSeeds, formatSpeed } from "./comparison.ts";
import type { ModelRow } from "./run-report.ts";
import { formatBytes, type TextTable } from "./table.ts";

/** Returns a table with a row for each model. Columns that no model has are left out. */
export function modelsTable(metric: string, models: readonly ModelRow[]): TextTable {
  const [dense, ...sparse] = models;
  const isPruned = sparse.length > 0;
  const hasSizes = models.some(({ bytes }) => bytes !== undefined);
  const hasSpeed = models.some(({ rowsPerSecond }) => rowsPerSecond !== undefined);
  return {
    header: [
      "model",
      metric,
      ...(isPruned ? ["against dense", "zeros"] : []),
      ...(hasSizes ? ["file", ...(isPruned ? ["packed file"] : [])] : []),
      ...(hasSpeed ? ["rows a second", ...(isPruned ? ["speed against dense"] : [])] : []),
    ],
    rows: models.map((row) => [
      row.label,
      formatMetricOverSeeds(row.metric),
      ...(isPruned ? [differenceOf(row, dense), percent(row.zeros)] : []),
      ...(hasSizes ? [bytesOf(row, "plain"), ...(isPruned ? [bytesOf(row, "packed")] : [])] : []),
      ...(hasSpeed ? [speedOf(row), ...(isPruned ? [speedRatio(row, dense)] : [])] : []),
    ]),
  };
}

function differenceOf(row: ModelRow, dense: ModelRow | undefined): string {
  if (dense === undefined || row === dense) return "";
  return againstDense(row.metric, dense.metric).replace(" than dense", "").replace(" as dense", "");
}

function percent(share: number | null): string {
  return share === null ? "" : `${(100 * share).toFixed(1)} %`;
}

function bytesOf({ bytes }: ModelRow, which: "plain" | "packed"): string {
  const size = bytes?.[which] ?? null;
  return size === null ? "" : formatBytes(size);
}

function speedOf({ rowsPerSecond }: ModelRow): string {
  return rowsPerSecond === undefined ? "" : formatSpeed(rowsPerSecond);
}

function speedRatio(row: ModelRow, dense: ModelRow | undefined): string {
  if (row === dense || row.rowsPerSecond === undefined || dense?.rowsPerSecond === undefined)
    return "";
  return `${(row.rowsPerSecond / dense.rowsPerSecond).toFixed(1)} times`;
}
