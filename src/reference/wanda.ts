/**
 * Wanda (INC: `prune_wanda`): in each row, the lowest |w| sqrt(s), with the mean squared norm s of the feature. The
 * metric is rounded to float32 as in INC.
 */
import type { Profile } from "../prune/config.ts";
import { lowest, prunedOfRow, type Units } from "./calibrated-choice.ts";
import { at, type MaskMatrix, type Matrix, maskOf } from "./matrix.ts";

/** Wanda's metric of one row. */
function metricOf(weight: Matrix, norms: readonly number[], row: number): number[] {
  return norms.map((norm, column) =>
    Math.fround(Math.abs(at(weight, row, column)) * Math.fround(Math.sqrt(norm))),
  );
}

/** The mask of a weight whose columns the units divide. */
export function wandaReference(
  weight: Matrix,
  norms: readonly number[],
  units: Units,
  target: number,
  profile: Profile,
): MaskMatrix {
  const [rows, columns] = weight.shape;
  const pruned = Array.from({ length: rows }, (_, row) => {
    const metric = metricOf(weight, norms, row);
    if (profile === "strict") return prunedOfRow(metric, units, target, (score) => score ** 2);
    if (units.of === 1) return lowest(metric, Math.trunc(columns * target));
    return Array.from({ length: columns / units.of }, (_, group) => {
      const start = group * units.of;
      return lowest(metric.slice(start, start + units.of), units.prune).map((i) => start + i);
    }).flat();
  });
  return maskOf(rows, columns, (row, column) => !pruned[row].includes(column));
}
