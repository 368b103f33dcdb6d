/**
 * Wanda prunes, in each row, the weights with the lowest product of magnitude and norm of the input feature (Sun et
 * al., "A simple and effective pruning approach for large language models", ICLR 2024; INC: `prune_wanda`).
 */
import { exactCount } from "../prune/exact.ts";
import { type CalibratedPattern, type lowest, orderOf, pruneLowestInto } from "./choose.ts";
import type { WeightMatrix } from "./layer.ts";

/** Wanda's metric |w| sqrt(s) in float32, with the mean squared norm s of the feature. */
export function wandaMetric({ data, columns }: WeightMatrix, norms: Float32Array): Float32Array {
  const roots = norms.map(Math.sqrt);
  return data.map((w, i) => Math.abs(w) * roots[i % columns]);
}

/** The number of elements that `inc` prunes in a row: a product below an integer by rounding counts as less. */
export function incCount(columns: number, ratio: number): number {
  return Math.trunc(columns * ratio);
}

/** The masks of all rows, each of which loses its `count` lowest metrics. */
export function rowMasks(metric: Float32Array, columns: number, count: number): Uint8Array {
  const mask = new Uint8Array(metric.length).fill(1);
  for (let row = 0; row < metric.length; row += columns)
    pruneLowestInto(mask, metric, row, row + columns, count);
  return mask;
}

/**
 * INC's N:M masks: each group loses its `prune` lowest metrics, whatever the target.
 *
 * @param lowestOf finds them: INC calls `topk` for Wanda, and `sort` for DSnoT, which differ in ties.
 */
export function incGroupMasks(
  metric: Float32Array,
  columns: number,
  { prune, of }: Extract<CalibratedPattern, { kind: "group" }>,
  lowestOf: typeof lowest,
): Uint8Array {
  const mask = new Uint8Array(metric.length).fill(1);
  for (let row = 0; row < metric.length; row += columns)
    for (let start = 0; start < columns; start += of)
      for (const i of lowestOf(metric, row + start, row + Math.min(start + of, columns), prune))
        mask[i] = 0;
  return mask;
}

/**
 * N:M masks of `strict`: each row prunes the groups whose `prune` lowest metrics have the lowest sum of squares, as
 * many as the target asks for.
 */
export function groupMasks(
  metric: Float32Array,
  columns: number,
  { prune, of }: Extract<CalibratedPattern, { kind: "group" }>,
  targetSparsity: number,
): Uint8Array {
  const mask = new Uint8Array(metric.length).fill(1);
  const groups = columns / of;
  const count = exactCount(groups, (targetSparsity * of) / prune);
  for (let row = 0; row < metric.length; row += columns) {
    const orders = Array.from({ length: groups }, (_, group) =>
      orderOf(metric, row + group * of, row + (group + 1) * of).slice(0, prune),
    );
    const costs = orders.map((order) => order.reduce((sum, i) => sum + metric[i] ** 2, 0));
    for (const group of orderOf(costs, 0, groups).slice(0, count))
      for (const i of orders[group] ?? []) mask[i] = 0;
  }
  return mask;
}
