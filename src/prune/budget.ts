/**
 * The budget under the `inc` profile: how many blocks are pruned in each layer (INC: `get_masks_global`,
 * `update_residual_cnt`, `adjust_ratio`). This file computes counts and thresholds, and writes no masks.
 */
import { sumOf } from "../core/sum.ts";
import type { BlockCount } from "./count.ts";
import { refusePruning } from "./layer.ts";
import { kthSmallest, type SelectionScratch } from "./threshold.ts";

/** The bounds on the share of blocks pruned in a single layer, and the final share for the whole network. */
interface BudgetBounds {
  readonly max: number;
  readonly min: number;
  readonly final: number;
}

/** A layer that competes with others for the budget of a prune step. */
export interface Candidate {
  /** One score per block. */
  readonly scores: Float32Array;
  /**
   * 1 for each block that INC will count once it is pruned, 0 for each N:M group that INC leaves out of its count.
   * `null`: INC counts all blocks.
   */
  readonly counted: Uint8Array | null;
  /** The numbers of pruned blocks and of all blocks in the current mask. */
  readonly current: BlockCount;
  /** Whether the layer keeps its mask and its share of the budget. */
  readonly frozen: boolean;
}

/** The blocks to prune: those with scores below `threshold`, and the first `ties` of those with scores equal to it. */
export interface Decision {
  readonly threshold: number;
  readonly ties: number;
}

interface LayerPlan {
  /** The blocks to prune. `null` leaves the mask unchanged. */
  readonly decision: Decision | null;
  readonly frozen: boolean;
}

export const KEEP_ALL: Decision = { threshold: -Infinity, ties: 0 };
export const PRUNE_ALL: Decision = { threshold: Infinity, ties: Infinity };

function share(count: BlockCount): number {
  return count.pruned / count.total;
}

/**
 * Adjusts the share of blocks proposed for a layer (INC: `BasePattern.adjust_ratio`). A share above `max` is lowered to
 * `max`. The share is lowered further if raising all other layers to at least `min` would otherwise exceed the final
 * target.
 *
 * @param current the block counts of all layers: in the new mask if a layer already has one, otherwise in the old mask.
 * @param index the index of the layer. `proposal` replaces its entry in `current`.
 */
export function adjustRatio(
  current: readonly BlockCount[],
  index: number,
  proposal: BlockCount,
  bounds: BudgetBounds,
): { readonly adjust: boolean; readonly ratio: number } {
  const exceeds = share(proposal) > bounds.max;
  const ratio = exceeds ? bounds.max : share(proposal);
  const pruned = exceeds ? Math.trunc(proposal.total * bounds.max) : proposal.pruned;
  const unchanged = { adjust: exceeds, ratio };
  if (ratio < bounds.min) return unchanged;
  const anyAboveFinal =
    ratio > bounds.final || current.some((count) => count.total > 0 && share(count) > bounds.final);
  if (!anyAboveFinal) return unchanged;

  let totalBelowMin = 0;
  let prunedAboveMin = 0;
  let total = 0;
  current.forEach((count, i) => {
    total += count.total;
    if (count.total === 0) return;
    if (i === index) prunedAboveMin += pruned;
    else if (share(count) < bounds.min) totalBelowMin += count.total;
    else prunedAboveMin += count.pruned;
  });
  // The number of pruned blocks if all layers below `min` were raised to `min`, and its excess over the final target.
  const filled = prunedAboveMin + Math.trunc(totalBelowMin * bounds.min);
  const excess = filled - Math.trunc(total * bounds.final);
  return excess > 0 ? { adjust: true, ratio: (pruned - excess) / proposal.total } : unchanged;
}

/**
 * Returns the decision that prunes the fraction `ratio` of the blocks that score lowest, and all ties (INC:
 * `get_single_mask_per_target_ratio`).
 */
export function thresholdForRatio(
  scores: Float32Array,
  ratio: number,
  scratch: SelectionScratch,
): Decision {
  const k = Math.trunc(ratio * scores.length);
  if (k < 1) return KEEP_ALL;
  return { threshold: kthSmallest([scores], k, scratch), ties: Infinity };
}

function countPruned(
  candidate: Candidate,
  threshold: number,
  { kernels }: SelectionScratch,
): number {
  const { scores, counted } = candidate;
  if (counted === null) return kernels.countBelow(scores, threshold, true);
  let count = 0;
  for (let i = 0; i < scores.length; i++) if (scores[i] <= threshold && counted[i] === 1) count++;
  return count;
}

/**
 * Divides the budget among the candidates. Their order matters: they are visited one after another, with the counts of
 * new masks for layers already visited and of old masks for the others. A layer that reaches a bound is frozen, and the
 * other layers compete for the rest of the budget.
 *
 * @param ratio the share of all blocks to prune.
 * @param refuseNone whether to throw if budget is left but all layers are frozen, as INC does for N:M patterns.
 * @returns one plan per candidate, or `null` if frozen layers use up the budget, so that no mask changes.
 * @throws PruningError `infeasible-budget` if the layers that are not frozen have too few blocks.
 */
export function planBudget(
  candidates: readonly Candidate[],
  ratio: number,
  bounds: BudgetBounds,
  refuseNone: boolean,
  scratch: SelectionScratch,
): LayerPlan[] | null {
  const total = sumOf(candidates, ({ current }) => current.total);
  const counts: BlockCount[] = candidates.map(({ current }) => current);
  const plans: LayerPlan[] = candidates.map(({ frozen }) => ({ decision: null, frozen }));
  let budget = Math.trunc(total * ratio);
  for (const { frozen, current } of candidates) if (frozen) budget -= current.pruned;
  if (budget <= 0) return null;
  if (refuseNone && candidates.every(({ frozen }) => frozen))
    refusePruning(
      "infeasible-budget",
      "budget",
      `a layer below its bound to prune ${budget} blocks from`,
      "none",
    );

  let competing: number[] = [];
  for (;;) {
    const open = plans.flatMap((plan, i) => (plan.frozen ? [] : [i]));
    // Layers leave the list but never join it, so two lists of equal length are the same.
    if (open.length === competing.length || open.length === 0 || budget < 1) return plans;
    competing = open;
    const pool = competing.map((i) => candidates[i].scores);
    const threshold = kthSmallest(pool, budget, scratch);
    for (const i of competing) {
      const candidate = candidates[i];
      const proposal = {
        pruned: countPruned(candidate, threshold, scratch),
        total: candidate.current.total,
      };
      const { adjust, ratio: adjusted } = adjustRatio(counts, i, proposal, bounds);
      const decision = adjust
        ? thresholdForRatio(candidate.scores, adjusted, scratch)
        : { threshold, ties: Infinity };
      const pruned = adjust ? countPruned(candidate, decision.threshold, scratch) : proposal.pruned;
      if (adjust) budget -= pruned;
      counts[i] = { pruned, total: proposal.total };
      plans[i] = { decision, frozen: adjust };
    }
  }
}
