/**
 * Wanda's variant: each row loses the elements whose metrics make up the same share of the row's sum (INC:
 * `return_given_alpha`). `inc` searches the share by bisection. `strict` prunes exactly the target.
 */
import { exactCount } from "../prune/exact.ts";
import { refusePruning } from "../prune/layer.ts";
import { orderOf } from "./choose.ts";

const TOLERANCE = 0.001;

/** Masks, and the share of each row's summed metric up to which elements are pruned. */
export interface VariantMasks {
  readonly mask: Uint8Array;
  readonly alpha: number;
}

interface SortedRow {
  readonly start: number;
  readonly order: readonly number[];
  /** The sum of each metric and all lower ones, in float32. */
  readonly sums: Float32Array;
  readonly total: number;
}

function sortedRows(metric: Float32Array, columns: number): SortedRow[] {
  return Array.from({ length: metric.length / columns }, (_, row) => {
    const start = row * columns;
    const order = orderOf(metric, start, start + columns);
    let sum = 0;
    const sums = Float32Array.from(order, (i) => {
      sum += metric[i];
      return sum;
    });
    return { start, order, sums, total: Math.fround(sum) };
  });
}

/** Prunes, in each row, all metrics up to the last one whose sum with all lower ones is at most `alpha` of the total. */
function prunedAt(
  metric: Float32Array,
  columns: number,
  rows: readonly SortedRow[],
  alpha: number,
): Uint8Array {
  const mask = new Uint8Array(metric.length).fill(1);
  for (const { start, order, sums, total } of rows) {
    const limit = Math.fround(total * Math.fround(alpha));
    const count = sums.findLastIndex((sum) => sum <= limit) + 1;
    const last = order[count - 1];
    if (last === undefined)
      return refusePruning(
        "infeasible-budget",
        "targetSparsity",
        "a share that prunes at least one weight of each row",
        `a share of ${alpha}, which prunes none of row ${start / columns}`,
      );
    for (let i = start; i < start + columns; i++) mask[i] = Number(metric[i] > metric[last]);
  }
  return mask;
}

/** INC's search between 0 and 0.8, which stops within 0.001 of the target or at an interval shorter than 0.001. */
export function incVariantMasks(
  metric: Float32Array,
  columns: number,
  targetSparsity: number,
): VariantMasks {
  const rows = sortedRows(metric, columns);
  let [low, high, alpha] = [0, 0.8, 0.4];
  for (;;) {
    const mask = prunedAt(metric, columns, rows, alpha);
    const pruned = mask.reduce((sum, kept) => sum + 1 - kept, 0);
    const excess = pruned / mask.length - targetSparsity;
    if (Math.abs(excess) <= TOLERANCE || high - low < TOLERANCE) return { mask, alpha };
    const isAbove = excess > 0;
    const next = (alpha + (isAbove ? low : high)) / 2;
    if (isAbove) high = alpha;
    else low = alpha;
    alpha = next;
  }
}

/**
 * The limit of the search without its bounds: of all elements of all rows, exactly the target, in order of the share
 * that an element and all lower ones of its row make up of the row's sum.
 */
export function variantMasks(
  metric: Float32Array,
  columns: number,
  targetSparsity: number,
): VariantMasks {
  const mask = new Uint8Array(metric.length).fill(1);
  const shares = new Float64Array(metric.length);
  for (let start = 0; start < metric.length; start += columns) {
    const order = orderOf(metric, start, start + columns);
    const total = order.reduce((sum, i) => sum + metric[i], 0);
    let sum = 0;
    for (const i of order) {
      sum += metric[i];
      shares[i] = total === 0 ? 0 : sum / total;
    }
  }
  const count = exactCount(metric.length, targetSparsity);
  const pruned = orderOf(shares, 0, shares.length).slice(0, count);
  for (const i of pruned) mask[i] = 0;
  return { mask, alpha: pruned.length === 0 ? 0 : shares[pruned.at(-1) ?? 0] };
}
