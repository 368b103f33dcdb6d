/** Chooses the heads that are pruned, from one score per head (INC: `PatternMHA.get_masks`). */
import { sumOf } from "../core/sum.ts";
import { grouped } from "../prune/config.ts";
import { countZeros } from "../prune/count.ts";
import { exactCount, planExactBudget } from "../prune/exact.ts";
import { refusePruning } from "../prune/layer.ts";
import { kthSmallest } from "../prune/threshold.ts";
import type { HeadScratch } from "./scratch.ts";
import type { HeadPrunerConfig, HeadPruningState, PrunedAttention } from "./state.ts";

/** Writes the masks of all attention layers, which have scores, for a target ratio. */
export type ChooseHeads = (
  state: HeadPruningState,
  targetRatio: number,
  scratch: HeadScratch,
) => void;

const NO_SCORES: Float32Array = new Float32Array(0);

function scoresOf({ scores }: PrunedAttention): Float32Array {
  return scores ?? NO_SCORES;
}

/** The attention layers that share a budget: all in global scope, otherwise each by itself. */
function budgetGroups({ config, attentions }: HeadPruningState) {
  return grouped(config.pruningScope === "global", attentions);
}

/**
 * `inc`: prunes every head whose score is at most the k-th smallest, so ties may prune more than k heads, or all of a
 * layer. If the ratio amounts to no head, the masks stay.
 */
export const incChooseHeadsInto: ChooseHeads = (state, targetRatio, { selection }) => {
  for (const group of budgetGroups(state)) {
    const chunks = group.map(scoresOf);
    const count = Math.trunc(sumOf(group, ({ heads }) => heads) * targetRatio);
    if (count < 1) continue;
    const threshold = kthSmallest(chunks, count, selection);
    for (const attention of group)
      scoresOf(attention).forEach((score, head) => {
        attention.mask[head] = Number(score > threshold);
      });
  }
};

/** The least and the most heads that a layer may lose under `strict`. */
export function headBounds(
  { minSparsityRatioPerOp, maxSparsityRatioPerOp }: HeadPrunerConfig,
  heads: number,
  minHeads: number,
  targetRatio: number,
): { readonly least: number; readonly most: number } {
  const most = Math.min(exactCount(heads, maxSparsityRatioPerOp), heads - minHeads);
  const least = exactCount(heads, Math.min(minSparsityRatioPerOp, targetRatio));
  return { least: Math.min(least, most), most };
}

/**
 * `strict`: prunes exactly as many heads as the ratio amounts to, the lowest scores first, of equal scores the first.
 * Pruned heads stay pruned, and each layer keeps as many heads as it must.
 */
export const chooseHeadsInto: ChooseHeads = (state, targetRatio, { selection }) => {
  const { config, minHeads } = state;
  for (const group of budgetGroups(state)) {
    const candidates = group.map((attention) => {
      const { name, heads, mask } = attention;
      const pruned = countZeros(mask);
      const scores = scoresOf(attention).map((score, head) => {
        if (Number.isFinite(score)) return mask[head] === 0 ? -Infinity : score;
        return refusePruning("invalid-score", name, "finite scores", `${score} of head ${head}`);
      });
      const { least, most } = headBounds(config, heads, minHeads, targetRatio);
      return { scores, pruned, least: Math.max(least, pruned), most: Math.max(most, pruned) };
    });
    const budget = exactCount(
      sumOf(group, ({ heads }) => heads),
      targetRatio,
    );
    const decisions = planExactBudget(candidates, budget, selection);
    group.forEach(({ mask }, i) => {
      const { threshold } = decisions[i];
      let { ties } = decisions[i];
      candidates[i].scores.forEach((score, head) => {
        const isPruned = score < threshold || (score === threshold && ties-- > 0);
        mask[head] = Number(!isPruned);
      });
    });
  }
};
