/**
 * The budget under `inc`: how many blocks each layer loses (INC: `get_masks_global`, `update_residual_cnt`,
 * `adjust_ratio`). This file computes counts and thresholds, and writes no masks.
 */
import { sumOf } from "../core/sum.ts";
import type { BlockCount } from "./count.ts";
import { refusePruning } from "./layer.ts";
import { kthSmallest, type SelectionScratch } from "./threshold.ts";

/** Bounds on a layer's share of pruned blocks, and the final share of the whole network. */
interface BudgetBounds {
  readonly max: number;
  readonly min: number;
  readonly final: number;
}

/** A layer that competes for the budget. */
export interface Candidate {
  /** One score per block. */
  readonly scores: Float32Array;
  /** 1 for each block that counts as pruned once it is pruned. `null`: all blocks do. */
  readonly counted: Uint8Array | null;
  /** The blocks of the current mask. */
  readonly current: BlockCount;
  /** Whether the layer keeps its mask and its share of the budget. */
  readonly frozen: boolean;
}

/** Prunes the blocks with scores below `threshold`, and the first `ties` blocks with scores equal to it. */
export interface Decision {
  readonly threshold: number;
  readonly ties: number;
}

interface LayerPlan {
  /** `null` leaves the mask unchanged. */
  readonly decision: Decision | null;
  readonly frozen: boolean;
}

export const KEEP_ALL: Decision = { threshold: -Infinity, ties: 0 };

function share(count: BlockCount): number {
  return count.pruned / count.total;
}

/**
 * Adjusts a layer's proposed share (INC: `BasePattern.adjust_ratio`). It is lowered to `max`. It is lowered further if
 * otherwise the final target could not be met with all layers at `min` or above.
 *
 * @param current the counts of all layers. Some of their masks are already new.
 * @param index the layer of `proposal`, which replaces its entry of `current`.
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
  // The pruned blocks beyond the final target if all layers below `min` were raised to it.
  const filled = prunedAboveMin + Math.trunc(totalBelowMin * bounds.min);
  const excess = filled - Math.trunc(total * bounds.final);
  return excess > 0 ? { adjust: true, ratio: (pruned - excess) / proposal.total } : unchanged;
}

/** The threshold that prunes the lowest `ratio` of `scores`, with ties (INC: `get_single_mask_per_target_ratio`). */
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
 * Divides the budget among the candidates. They are visited in order, and the counts at each visit mix old and new
 * masks, so the order matters. A layer that reaches a bound is frozen, and the others compete for the rest.
 *
 * @param ratio share of all blocks to prune.
 * @param refuseNone whether to refuse a budget if all layers are frozen, as INC does for N:M.
 * @returns one plan per candidate, or `null` if the budget is empty and no mask changes.
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
    // No layer joins later, so equal lengths mean equal lists.
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
