/**
 * Plans the new masks of a prune step, by the rules of `inc` or `strict`, and writes them. All errors are thrown before
 * the first mask is written.
 */
import { sumOf } from "../core/sum.ts";
import { type Decision, planBudget } from "./budget.ts";
import { exactCandidate, incCandidate } from "./candidates.ts";
import { grouped } from "./config.ts";
import { accumulatesElements } from "./criteria.ts";
import { exactCount, planExactBudget } from "./exact.ts";
import { refuseCombination } from "./layer.ts";
import { scrambleMaskInto, writeBlockMaskInto } from "./mask.ts";
import { type BlockLayout, perBlock } from "./pattern.ts";
import type { PrunerScratch } from "./scratch.ts";
import type { LivePruner, PrunerState } from "./state.ts";

/** The planned change of one layer's mask. */
interface MaskPlan {
  /** The layer's index among the layers of its pruner. */
  readonly index: number;
  /** The blocks to prune. `null`: the mask does not change. */
  readonly decision: Decision | null;
  /** Whether the number of pruned blocks is exact, and N:M groups that are already pruned keep their masks. */
  readonly exact: boolean;
  readonly frozen: boolean;
}

/**
 * Plans new masks for the layers in `group`, which have a common budget, to prune a fraction `ratio` of their blocks
 * (of their elements for N:M).
 */
export type PlanMasks = (
  pruner: PrunerState,
  group: readonly number[],
  ratio: number,
  scratch: PrunerScratch,
) => readonly MaskPlan[];

/**
 * Plans masks under `inc`: all ties are pruned, even beyond the budget; pruned blocks may be restored; layers at a
 * bound are frozen.
 */
export const planIncMasks: PlanMasks = (pruner, group, ratio, scratch) => {
  const { pattern, minSparsityRatioPerOp, maxSparsityRatioPerOp, targetSparsity } = pruner.config;
  const candidates = group.map((index) => incCandidate(pruner, index, scratch));
  const bounds = {
    max: perBlock(pattern, maxSparsityRatioPerOp),
    min: perBlock(pattern, minSparsityRatioPerOp),
    final: perBlock(pattern, targetSparsity),
  };
  const share = perBlock(pattern, ratio);
  const plans = planBudget(candidates, share, bounds, pattern.kind === "group", scratch.selection);
  return (plans ?? []).map((plan, i) => ({ index: group[i], ...plan, exact: false }));
};

/** Plans masks under `strict`: the number of pruned blocks is exact, and pruned blocks stay pruned. */
export const planExactMasks: PlanMasks = (pruner, group, ratio, scratch) => {
  const { pattern } = pruner.config;
  const candidates = group.map((index) => exactCandidate(pruner, index, ratio, scratch));
  const blocks = sumOf(candidates, ({ scores }) => scores.length);
  const pruned = sumOf(candidates, (candidate) => candidate.pruned);
  const budget = Math.max(pruned, exactCount(blocks, perBlock(pattern, ratio)));
  const decisions = planExactBudget(candidates, budget, scratch.selection);
  return decisions.map((decision, i) => ({
    index: group[i],
    decision,
    exact: true,
    frozen: false,
  }));
};

/**
 * Whether PyTorch can broadcast the group lasso terms to a weight, for example one term for each row, column or
 * element.
 */
function broadcasts(layout: BlockLayout, shape: readonly number[]): boolean {
  const { blockHeight, blockWidth, blockRows, blockColumns } = layout;
  const fits = (blockHeight === 1 || blockRows === 1) && (blockWidth === 1 || blockColumns === 1);
  return fits && shape.length <= 2;
}

/**
 * Refuses a frozen layer on which INC's group lasso fails: INC does not expand the layer's terms from blocks to
 * elements, and PyTorch cannot broadcast them.
 */
export function checkFrozenLasso(
  { config, layers }: PrunerState,
  plans: readonly MaskPlan[],
): void {
  const { groupLasso, criterion } = config;
  if (groupLasso === null || accumulatesElements(criterion)) return;
  for (const { index, frozen } of plans) {
    const { name, layout, shape } = layers[index];
    if (!frozen || broadcasts(layout, shape)) continue;
    refuseCombination(
      name,
      `no layer to reach a per-op bound under group lasso with the ${criterion} criterion`,
      "this one, which does",
      name,
    );
  }
}

/**
 * Groups the layers that share a budget, by index: all layers in global scope, otherwise each layer by itself. Layers
 * that do not divide evenly into blocks are left out.
 */
export function budgetGroups({ config, layers }: PrunerState): readonly (readonly number[])[] {
  const divided = layers.flatMap(({ layout }, i) => (layout.divides ? [i] : []));
  return grouped(config.pruningScope === "global", divided);
}

export function writeMaskInto(
  { config: { pattern }, layers }: LivePruner,
  { index, decision, exact, frozen }: MaskPlan,
  { layers: scratches, row, selection: { kernels } }: PrunerScratch,
): void {
  const layer = layers[index];
  const { layout, mask, scores } = layer;
  const { blockScores, flags } = scratches[index];
  if (decision === null || scores === null) scrambleMaskInto(layout, mask, row);
  else {
    const { groupMask } = scratches[index];
    const groups = pattern.kind === "group" ? groupMask : null;
    const judged = exact || groups !== null ? blockScores : scores;
    // Blocks that are already pruned stay as they are. Without flags, there are none.
    const settled = exact && flags.length > 0 ? flags : null;
    writeBlockMaskInto(layout, judged, decision, mask, kernels, groups, settled);
  }
  layer.frozen = frozen;
}
