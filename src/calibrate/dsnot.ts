/**
 * DSnoT: swaps pruned for kept weights, so that the expected error of a row comes close to 0 (Zhang et al., "Dynamic
 * sparse no training", ICLR 2024; INC: `DSnoT`). This is INC's form, in which a row depends on the others.
 */
import { pow } from "../core/real.ts";
import { refusePruning } from "../prune/layer.ts";
import { type CalibratedPattern, orderOf } from "./choose.ts";
import type { WeightMatrix } from "./layer.ts";
import { topKLowest } from "./top-k.ts";
import { wandaMetric } from "./wanda.ts";

/** What DSnoT reads besides the weight: statistics of the layer's inputs, by column. */
export interface DsnotStatistics {
  readonly squaredNorms: Float32Array;
  readonly sums: Float32Array;
  readonly variances: Float32Array;
}

/** The settings of the swaps. */
export interface SwapRule {
  readonly pattern: CalibratedPattern;
  /** The maximum number of swaps in a row. */
  readonly maxCycles: number;
  /** A row whose error is at most this stops. */
  readonly updateThreshold: number;
  /** The power of the variance by which the products of pruned weights are divided. */
  readonly variancePower: number;
  /** Whether a row stops before its error changes sign. N:M always does. */
  readonly keepSign: boolean;
}

/** The expected contributions of weights to the outputs: D = w x mean sum of the feature. */
export function products({ data, columns }: WeightMatrix, sums: Float32Array): Float32Array {
  return data.map((w, i) => w * sums[i % columns]);
}

/** var^power in float32. */
export function variancePowers(variances: Float32Array, power: number): Float32Array {
  return variances.map((variance) => (power === 1 ? variance : pow(variance, power)));
}

/** One row while it is swapped. */
interface SwappedRow {
  readonly first: number;
  readonly sign: number;
  error: number;
  alive: boolean;
  /** All columns in the order of regrowing. */
  readonly regrow: readonly number[];
  /** The kept columns in the order of pruning; empty for N:M. */
  readonly prune: readonly number[];
  /** The next places in both orders, from the start and from the end. */
  readonly regrowAt: [number, number];
  readonly pruneAt: [number, number];
}

/**
 * Swaps under `inc`, starting from a mask, which is overwritten.
 *
 * @param initialMetric the metric of the mask.
 * @throws PruningError `infeasible-budget` if a row needs more candidates than it has; INC then fails.
 */
export function incSwapInto(
  mask: Uint8Array,
  matrix: WeightMatrix,
  statistics: DsnotStatistics,
  rule: SwapRule,
  initialMetric: Float32Array,
): void {
  const { columns } = matrix;
  const contributions = products(matrix, statistics.sums);
  // Groups are pruned in the order of the initial metric, rows in that of Wanda's.
  const metric =
    rule.pattern.kind === "group"
      ? initialMetric.slice()
      : wandaMetric(matrix, statistics.squaredNorms);
  for (let i = 0; i < mask.length; i++) if (mask[i] === 0) metric[i] = Infinity;
  const powers = variancePowers(statistics.variances, rule.variancePower);
  const rows = Array.from({ length: matrix.rows }, (_, row) =>
    startRow(row * columns, columns, mask, contributions, metric, powers, rule),
  );
  for (let cycle = 0; cycle < rule.maxCycles && rows.some(({ alive }) => alive); cycle++)
    for (const row of rows) swapOnce(row, columns, mask, contributions, metric, rule);
}

function startRow(
  first: number,
  columns: number,
  mask: Uint8Array,
  contributions: Float32Array,
  metric: Float32Array,
  powers: Float32Array,
  { pattern, variancePower }: SwapRule,
): SwappedRow {
  let sum = 0;
  const regrowing = Float32Array.from({ length: columns }, (_, i) => {
    const value = mask[first + i] === 0 ? contributions[first + i] : 0;
    sum += value;
    return variancePower === 0 ? value : value / powers[i];
  });
  const error = Math.fround(sum);
  const order =
    pattern.kind === "group" ? [] : pruningOrder(first, columns, mask, contributions, metric);
  return {
    first,
    sign: Math.sign(error),
    error,
    alive: true,
    regrow: orderOf(regrowing, 0, columns),
    prune: order,
    regrowAt: [0, columns - 1],
    pruneAt: [0, order.length - 1],
  };
}

/**
 * The order in which kept weights are pruned (INC: `return_reorder_indice`): by Wanda's metric, those with a negative
 * product first, then those with a positive one from last to first. Weights with a product of 0 leave gaps between the
 * two, which the first weight of all fills.
 */
function pruningOrder(
  first: number,
  columns: number,
  mask: Uint8Array,
  contributions: Float32Array,
  metric: Float32Array,
): number[] {
  const kept = orderOf(metric.subarray(first, first + columns), 0, columns).filter(
    (column) => mask[first + column] === 1,
  );
  const below = kept.filter((column) => contributions[first + column] < 0);
  const above = kept.filter((column) => contributions[first + column] > 0);
  const gaps = kept.length - below.length - above.length;
  return [...below, ...Array<number>(gaps).fill(kept[0] ?? 0), ...above.reverse()];
}

/** Takes the next candidate from the end or the start of an order. */
function take(
  order: readonly number[],
  next: [number, number],
  fromEnd: boolean,
  row: number,
): number {
  const side = fromEnd ? 1 : 0;
  const column = order[next[side]];
  next[side] += fromEnd ? -1 : 1;
  return (
    column ??
    refusePruning(
      "infeasible-budget",
      "maxCycles",
      `at most the ${order.length} candidates of row ${row}`,
      "more cycles than that",
    )
  );
}

/**
 * Returns the kept weight of a group with the lowest metric among those not yet taken, and takes it. INC reads beyond the
 * row in an incomplete group, which fails.
 */
function takeOfGroup(
  metric: Float32Array,
  first: number,
  column: number,
  columns: number,
  of: number,
): number {
  const start = column - (column % of);
  const end = start + of;
  if (end > columns)
    return refusePruning(
      "indivisible-shape",
      "layer",
      `columns that groups of ${of} divide, to regrow in the last one`,
      columns,
    );
  const [lowest = start] = topKLowest(metric.subarray(first, first + columns), start, end, 1);
  metric[first + lowest] = Infinity;
  return lowest;
}

/** Swaps once in a row. A row that has stopped still moves its places and writes into the mask, as in INC. */
function swapOnce(
  row: SwappedRow,
  columns: number,
  mask: Uint8Array,
  contributions: Float32Array,
  metric: Float32Array,
  { pattern, updateThreshold, keepSign }: SwapRule,
): void {
  const { fround } = Math;
  const { first, error, regrow, prune, regrowAt, pruneAt } = row;
  const index = first / columns;
  const grown = take(regrow, regrowAt, error > 0, index);
  const pruned =
    pattern.kind === "group"
      ? takeOfGroup(metric, first, grown, columns, pattern.of)
      : take(prune, pruneAt, error < 0, index);
  const after = fround(
    fround(error + contributions[first + pruned]) - contributions[first + grown],
  );
  const signed = pattern.kind === "group" || keepSign;
  row.alive &&= Math.abs(error) > fround(updateThreshold);
  row.alive &&= !signed || Math.sign(after) === row.sign;
  mask[first + pruned] = row.alive ? 0 : 1;
  mask[first + grown] = row.alive ? 1 : 0;
  if (row.alive) row.error = after;
}
