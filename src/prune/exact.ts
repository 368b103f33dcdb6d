/**
 * The budget under `strict`. It is exact, the lowest index wins ties, pruned blocks stay pruned, and every layer stays
 * within its bounds.
 */
import { sumOf } from "../core/sum.ts";
import { type Decision, KEEP_ALL } from "./budget.ts";
import { refusePruning } from "./layer.ts";
import { kthSmallest, type SelectionScratch } from "./threshold.ts";

/** A layer that competes for an exact budget. */
export interface ExactCandidate {
  /** One score per block. -Infinity marks blocks that are already pruned. Selection overwrites the scores. */
  readonly scores: Float32Array;
  /** Number of blocks that are already pruned. */
  readonly pruned: number;
  /** Bounds on the number of pruned blocks, including those already pruned. */
  readonly least: number;
  readonly most: number;
}

/**
 * The number of blocks in a share: floor(blocks x ratio). A product that is below an integer by rounding alone counts
 * as that integer: the tolerance is 1e-9 or a few units in the last place, the larger of the two.
 */
export function exactCount(blocks: number, ratio: number): number {
  const product = blocks * ratio;
  return Math.floor(product + Math.max(1e-9, product * 2 ** -50));
}

/** A layer's decision, and the number of scores that it takes. */
export interface LayerDecision {
  readonly decision: Decision;
  readonly taken: number;
}

/**
 * Takes exactly `count` scores of all layers together, ties in order. The `threshold` is the score of rank `count`,
 * `below` the number of lower scores of each layer, and `countUpTo` counts a layer's scores up to the threshold.
 */
export function takeExactly(
  count: number,
  threshold: number,
  below: readonly number[],
  countUpTo: (layer: number) => number,
): LayerDecision[] {
  let left = count - sumOf(below, (number) => number);
  return below.map((smaller, layer) => {
    const equal = left === 0 ? 0 : countUpTo(layer) - smaller;
    const ties = Math.min(equal, left);
    left -= ties;
    // Masks are written faster if a layer loses all of its ties.
    const unlimited = ties > 0 && ties === equal;
    const decision = { threshold, ties: unlimited ? Infinity : ties };
    return { decision, taken: smaller + ties };
  });
}

/** {@link takeExactly} at the threshold of these scores. */
function layerDecisions(
  chunks: readonly Float32Array[],
  count: number,
  scratch: SelectionScratch,
): LayerDecision[] {
  if (count === 0) return chunks.map(() => ({ decision: KEEP_ALL, taken: 0 }));
  const { kernels } = scratch;
  const isAll = count === sumOf(chunks, ({ length }) => length);
  const threshold = isAll ? Infinity : kthSmallest(chunks, count, scratch, true);
  const below = chunks.map((chunk) => kernels.countBelow(chunk, threshold, false));
  return takeExactly(count, threshold, below, (i) =>
    kernels.countBelow(chunks[i], threshold, true),
  );
}

/** Whether decisions that ignore the bounds happen to keep them. */
export function keepsBounds(
  free: readonly LayerDecision[],
  fewest: readonly number[],
  candidates: readonly Pick<ExactCandidate, "most">[],
): boolean {
  return free.every(({ taken }, i) => taken >= fewest[i] && taken <= candidates[i].most);
}

/** Replaces the `count` lowest scores of a layer by `value`, ties in order. With `others` it replaces all others. */
function rewriteInto(
  scores: Float32Array,
  count: number,
  others: boolean,
  value: number,
  scratch: SelectionScratch,
): void {
  const [{ decision } = { decision: KEEP_ALL }] = layerDecisions([scores], count, scratch);
  let ties = decision.ties;
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i];
    const take = score < decision.threshold || (score === decision.threshold && ties-- > 0);
    if (take !== others) scores[i] = value;
  }
}

/**
 * The fewest blocks to prune in each layer. Because of rounding their sum can exceed the budget. The excess is
 * subtracted from the last layers first, but pruned blocks stay pruned.
 */
export function fewestWithin(
  candidates: readonly Pick<ExactCandidate, "least" | "pruned">[],
  budget: number,
): number[] {
  const fewest = candidates.map(({ least }) => least);
  let excess = sumOf(candidates, ({ least }) => least) - budget;
  for (let i = candidates.length - 1; i >= 0 && excess > 0; i--) {
    const spare = Math.min(excess, fewest[i] - candidates[i].pruned);
    fewest[i] -= spare;
    excess -= spare;
  }
  return fewest;
}

/** Marks the blocks that a layer must lose by -Infinity and the blocks that it must keep by Infinity. */
export function imposeBoundsInto(
  { scores, most }: Pick<ExactCandidate, "scores" | "most">,
  fewest: number,
  scratch: SelectionScratch,
): void {
  if (most < scores.length) rewriteInto(scores, most, true, Infinity, scratch);
  if (fewest > 0) rewriteInto(scores, fewest, false, -Infinity, scratch);
}

/**
 * Divides exactly `budget` blocks among the candidates: the fewest of each layer, then the lowest scores of all layers
 * within the most of each.
 *
 * @returns one decision per candidate, for the scores as this function leaves them.
 * @throws PruningError `infeasible-budget` if the bounds do not allow the budget.
 */
export function planExactBudget(
  candidates: readonly ExactCandidate[],
  budget: number,
  scratch: SelectionScratch,
): Decision[] {
  const pruned = sumOf(candidates, (candidate) => candidate.pruned);
  const most = sumOf(candidates, (candidate) => candidate.most);
  if (budget < pruned || budget > most)
    refusePruning(
      "infeasible-budget",
      "budget",
      `from ${pruned} to ${most} blocks within the per-layer bounds`,
      budget,
    );
  const fewest = fewestWithin(candidates, budget);
  const chunks = candidates.map(({ scores }) => scores);
  const free = layerDecisions(chunks, budget, scratch);
  // If a free choice keeps all bounds, imposing them would make the same choice.
  if (keepsBounds(free, fewest, candidates)) return free.map(({ decision }) => decision);
  candidates.forEach((candidate, i) => {
    imposeBoundsInto(candidate, fewest[i], scratch);
  });
  return layerDecisions(chunks, budget, scratch).map(({ decision }) => decision);
}
