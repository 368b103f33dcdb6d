/**
 * `strict`: how many blocks each layer loses. The budget is exact, ties go by lowest index, pruned blocks stay pruned,
 * and every layer stays within its bounds.
 */
import { sumOf } from "../core/sum.ts";
import { type Decision, KEEP_ALL } from "./budget.ts";
import { refusePruning } from "./layer.ts";
import { kthSmallest, type SelectionScratch } from "./threshold.ts";

/** A layer under exact selection. Its scores are overwritten: they carry the bounds. */
export interface ExactCandidate {
  /** One score per block; consumed. -Infinity marks blocks already pruned. */
  readonly scores: Float32Array;
  /** Blocks already pruned. */
  readonly pruned: number;
  /** Fewest and most blocks the layer may lose, those already pruned included. */
  readonly least: number;
  readonly most: number;
}

/**
 * The number of blocks that a share asks for: the floor of blocks x ratio. A product that rounding has left just below
 * a whole number counts as that number. It is off by a few units in its last place, more than 1e-9 if there are more
 * than a million blocks. The one place where ratios become counts under `strict`.
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
 * Takes exactly `count` scores of all layers together, ties in order.
 *
 * @param threshold the score of rank `count`.
 * @param below for each layer the number of scores below the threshold.
 * @param countUpTo the number of a layer's scores that are at most the threshold.
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
  const threshold = kthSmallest(chunks, count, scratch, true);
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

/** Replaces the `count` lowest scores of a layer, ties in order, by `value`; with `others` all but those. */
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
 * The fewest blocks to prune in each layer, reduced to fit the budget. Rounding can make their sum exceed it. The
 * excess is taken off the last layers first, but no layer falls below what it has already lost.
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

/** Marks the scores that a layer must lose and those that it must keep. */
export function imposeBoundsInto(
  { scores, most }: Pick<ExactCandidate, "scores" | "most">,
  fewest: number,
  scratch: SelectionScratch,
): void {
  if (most < scores.length) rewriteInto(scores, most, true, Infinity, scratch);
  if (fewest > 0) rewriteInto(scores, fewest, false, -Infinity, scratch);
}

/**
 * Divides exactly `budget` blocks among the candidates: each layer first its fewest, then the lowest
 * scores of all layers, as far as each layer's most allows.
 *
 * @returns one decision per candidate, for scores as this function leaves them.
 * @throws PruningError `infeasible-budget` if the bounds cannot hold the budget.
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
