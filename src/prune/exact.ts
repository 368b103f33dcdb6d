/**
 * The budget under the `strict` profile: the number of pruned blocks is exact, ties are broken by the lowest index,
 * pruned blocks stay pruned, and every layer stays within its bounds.
 */
import { sumOf } from "../core/sum.ts";
import { type Decision, KEEP_ALL, PRUNE_ALL } from "./budget.ts";
import { refusePruning } from "./layer.ts";
import { kthSmallest, type SelectionScratch } from "./threshold.ts";

/** A layer that competes for an exact budget. */
export interface ExactCandidate {
  /** One score per block, -Infinity for blocks that are already pruned. The selection may overwrite the scores. */
  readonly scores: Float32Array;
  /** The number of blocks that are already pruned. */
  readonly pruned: number;
  /** The minimum and maximum number of pruned blocks, including those already pruned. */
  readonly least: number;
  readonly most: number;
}

/**
 * Converts a share to a number of blocks: floor(blocks x ratio). A product that is below an integer only because of
 * rounding errors counts as that integer. The tolerance is 1e-9 or a few units in the last place, whichever is larger.
 */
export function exactCount(blocks: number, ratio: number): number {
  const product = blocks * ratio;
  return Math.floor(product + Math.max(1e-9, product * 2 ** -50));
}

/** The decision for a layer, and how many of its scores the decision selects. */
export interface LayerDecision {
  readonly decision: Decision;
  readonly taken: number;
}

/**
 * Selects exactly `count` scores from all layers together. `threshold` is the `count`-th lowest score. Of the scores
 * equal to it, only as many as needed are selected, in order of position. `below` is the number of lower scores in each
 * layer, and `countUpTo` counts a layer's scores up to and including the threshold.
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
    // A mask is written faster if all ties of a layer are pruned.
    const unlimited = ties > 0 && ties === equal;
    const decision = { threshold, ties: unlimited ? Infinity : ties };
    return { decision, taken: smaller + ties };
  });
}

/** Finds the `count`-th lowest score of all layers, and calls {@link takeExactly} with it as the threshold. */
function layerDecisions(
  chunks: readonly Float32Array[],
  count: number,
  scratch: SelectionScratch,
): LayerDecision[] {
  if (count === 0) return chunks.map(() => ({ decision: KEEP_ALL, taken: 0 }));
  const { kernels } = scratch;
  if (count === sumOf(chunks, ({ length }) => length))
    return chunks.map(({ length }) => ({ decision: PRUNE_ALL, taken: length }));
  const threshold = kthSmallest(chunks, count, scratch, true);
  const below = chunks.map((chunk) => kernels.countBelow(chunk, threshold, false));
  return takeExactly(count, threshold, below, (i) =>
    kernels.countBelow(chunks[i], threshold, true),
  );
}

/** Whether decisions that were made without regard to the bounds respect them. */
export function keepsBounds(
  free: readonly LayerDecision[],
  fewest: readonly number[],
  candidates: readonly Pick<ExactCandidate, "most">[],
): boolean {
  return free.every(({ taken }, i) => taken >= fewest[i] && taken <= candidates[i].most);
}

/**
 * Replaces the `count` lowest scores of a layer with `value`; ties go to the first scores. With `others`, replaces all
 * other scores instead.
 */
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
 * The minimum number of blocks to prune in each layer. Because of rounding, the sum of these numbers can exceed the
 * budget. The excess is then subtracted from the last layers first, but blocks that are already pruned stay pruned.
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

/** Sets the scores of blocks that must be pruned to -Infinity, and those of blocks that must be kept to Infinity. */
export function imposeBoundsInto(
  { scores, most }: Pick<ExactCandidate, "scores" | "most">,
  fewest: number,
  scratch: SelectionScratch,
): void {
  if (most < scores.length) rewriteInto(scores, most, true, Infinity, scratch);
  if (fewest > 0) rewriteInto(scores, fewest, false, -Infinity, scratch);
}

/**
 * Divides exactly `budget` blocks among the candidates. Each layer first loses its minimum number of blocks. The rest
 * of the budget goes to the lowest scores of the whole model, up to each layer's maximum.
 *
 * @returns one decision per candidate. Apply it to the candidate's scores after this call, which may overwrite them.
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
  // If a choice made without the bounds respects them, imposing the bounds would not change it.
  if (keepsBounds(free, fewest, candidates)) return free.map(({ decision }) => decision);
  candidates.forEach((candidate, i) => {
    imposeBoundsInto(candidate, fewest[i], scratch);
  });
  return layerDecisions(chunks, budget, scratch).map(({ decision }) => decision);
}
