/**
 * DSnoT under `strict`: starts from a mask and, in each row by itself, swaps a pruned weight for a kept one as long as
 * that brings the expected error of the row, the sum of w x mean sum over its pruned weights, closer to 0.
 */
import type { Units } from "./calibrated-choice.ts";
import { at, type MaskMatrix, type Matrix, maskOf } from "./matrix.ts";

/** Statistics of the inputs by column, and when to stop. */
export interface DsnotSettings {
  readonly norms: readonly number[];
  readonly sums: readonly number[];
  readonly variances: readonly number[];
  readonly units: Units;
  readonly maxCycles: number;
  readonly threshold: number;
  /** Whether a row stops before its error changes sign. N:M always does. */
  readonly keepSign: boolean;
}

/** Returns the item with the lowest value; undefined for an empty list. Of equal values, the first counts. */
function lowestOf(items: readonly number[], value: (item: number) => number): number | undefined {
  return items.reduce<number | undefined>(
    (best, item) => (best === undefined || value(item) < value(best) ? item : best),
    undefined,
  );
}

/** Swaps in one row and returns its mask. */
function swappedRow(
  weights: readonly number[],
  mask: readonly number[],
  settings: DsnotSettings,
): number[] {
  const { norms, sums, variances, units } = settings;
  const product = weights.map((w, i) => Math.fround(w * sums[i]));
  const metric = weights.map((w, i) => Math.fround(Math.abs(w) * Math.fround(Math.sqrt(norms[i]))));
  const gain = product.map((value, i) => Math.fround(value / variances[i]));
  const columns = weights.map((_, i) => i).filter((i) => product[i] !== 0);
  const result = [...mask];
  const fresh = new Set(columns);
  let error = product.reduce((sum, value, i) => sum + (mask[i] === 0 ? value : 0), 0);
  for (let cycle = 0; cycle < settings.maxCycles; cycle++) {
    if (Math.abs(error) <= settings.threshold) break;
    const sign = Math.sign(error);
    const candidates = columns.filter((i) => fresh.has(i));
    const pruned = candidates.filter((i) => mask[i] === 0);
    // Of equal gains, the last one regrows if the error is positive.
    const grown = lowestOf(sign > 0 ? pruned.reverse() : pruned, (i) => -sign * gain[i]);
    if (grown === undefined || product[grown] * error <= 0) break;
    const partners = candidates.filter(
      (i) =>
        mask[i] === 1 &&
        (units.of > 1
          ? Math.floor(i / units.of) === Math.floor(grown / units.of)
          : product[i] * error < 0),
    );
    const partner = lowestOf(partners, (i) => metric[i]);
    if (partner === undefined) break;
    const after = error + product[partner] - product[grown];
    const turns = Math.sign(after) !== sign && (settings.keepSign || units.of > 1);
    if (Math.abs(after) >= Math.abs(error) || turns) break;
    result[grown] = 1;
    result[partner] = 0;
    fresh.delete(grown);
    fresh.delete(partner);
    error = after;
  }
  return result;
}

/** The mask after swaps in all rows. */
export function dsnotReference(
  weight: Matrix,
  mask: MaskMatrix,
  settings: DsnotSettings,
): MaskMatrix {
  const [rows, columns] = weight.shape;
  const swapped = Array.from({ length: rows }, (_, row) => {
    const rowOf = (matrix: Matrix | MaskMatrix): number[] =>
      settings.sums.map((_, column) => at(matrix, row, column));
    return swappedRow(rowOf(weight), rowOf(mask), settings);
  });
  return maskOf(rows, columns, (row, column) => swapped[row][column] === 1);
}
