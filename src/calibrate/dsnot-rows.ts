/** DSnoT under `strict`: rows do not depend on one another, and each keeps its number of pruned weights. */
import { orderOf } from "./choose.ts";
import { type DsnotStatistics, products, type SwapRule, variancePowers } from "./dsnot.ts";
import type { WeightMatrix } from "./layer.ts";
import { wandaMetric } from "./wanda.ts";

/** A pruned weight to regrow and a kept one to prune instead. */
interface Swap {
  readonly grown: number;
  readonly pruned: number;
}

/**
 * Swaps in each row until its error is at most the threshold, no swap brings it closer to 0, or `maxCycles` swaps are
 * made. Overwrites the mask. A weight takes part in one swap at most.
 */
export function swapRowsInto(
  mask: Uint8Array,
  matrix: WeightMatrix,
  statistics: DsnotStatistics,
  rule: SwapRule,
): void {
  const { columns, data } = matrix;
  const contributions = products(matrix, statistics.sums);
  const metric = wandaMetric(matrix, statistics.squaredNorms);
  const powers = variancePowers(statistics.variances, rule.variancePower);
  for (let first = 0; first < data.length; first += columns) {
    const row = { start: first, end: first + columns };
    const regrowing = Float32Array.from({ length: columns }, (_, i) =>
      rule.variancePower === 0 ? contributions[first + i] : contributions[first + i] / powers[i],
    );
    swapRowInto(mask.subarray(row.start, row.end), rule, {
      contributions: contributions.subarray(row.start, row.end),
      metric: metric.subarray(row.start, row.end),
      regrowing,
    });
  }
}

/** The products of a row, Wanda's metric, and the products by which weights regrow. */
interface RowValues {
  readonly contributions: Float32Array;
  readonly metric: Float32Array;
  readonly regrowing: Float32Array;
}

function swapRowInto(mask: Uint8Array, rule: SwapRule, values: RowValues): void {
  const { contributions, metric, regrowing } = values;
  const regrow = orderOf(regrowing, 0, mask.length).filter(
    (i) => mask[i] === 0 && contributions[i] !== 0,
  );
  const prune = orderOf(metric, 0, mask.length).filter(
    (i) => mask[i] === 1 && contributions[i] !== 0,
  );
  let error = contributions.reduce((sum, value, i) => sum + (mask[i] === 0 ? value : 0), 0);
  const signed = rule.keepSign || rule.pattern.kind === "group";
  for (let cycle = 0; cycle < rule.maxCycles && Math.abs(error) > rule.updateThreshold; cycle++) {
    const swap = nextSwap(regrow, prune, contributions, error, rule);
    if (swap === undefined) return;
    const after = error + contributions[swap.pruned] - contributions[swap.grown];
    if (Math.abs(after) >= Math.abs(error) || (signed && Math.sign(after) !== Math.sign(error)))
      return;
    mask[swap.grown] = 1;
    mask[swap.pruned] = 0;
    regrow.splice(regrow.indexOf(swap.grown), 1);
    prune.splice(prune.indexOf(swap.pruned), 1);
    error = after;
  }
}

/**
 * The pruned weight whose product lowers the error most for its variance, and the kept weight of the lowest metric
 * whose product has the other sign, which lowers it too. N:M takes the lowest metric of the group instead.
 */
function nextSwap(
  regrow: readonly number[],
  prune: readonly number[],
  contributions: Float32Array,
  error: number,
  { pattern }: SwapRule,
): Swap | undefined {
  const grown = error > 0 ? regrow.at(-1) : regrow[0];
  if (grown === undefined || contributions[grown] * error <= 0) return undefined;
  const pruned = prune.find((i) =>
    pattern.kind === "group"
      ? Math.floor(i / pattern.of) === Math.floor(grown / pattern.of)
      : contributions[i] * error < 0,
  );
  return pruned === undefined ? undefined : { grown, pruned };
}
