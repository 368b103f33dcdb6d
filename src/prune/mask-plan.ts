/**
 * What a prune step does to each mask: layers that share a budget compete, in `inc` and in `strict` by other rules.
 * Everything that can fail happens before the first mask is written.
 */
import { sumOf } from "../core/sum.ts";
import { type Decision, planBudget } from "./budget.ts";
import { type Competitor, exactCandidate, incCandidate } from "./candidates.ts";
import { grouped } from "./config.ts";
import { accumulatesElements } from "./criteria.ts";
import { exactCount, planExactBudget } from "./exact.ts";
import { refuseCombination } from "./layer.ts";
import { scrambleMaskInto, writeBlockMaskInto, writeGroupMaskInto } from "./mask.ts";
import { type BlockLayout, perBlock } from "./pattern.ts";
import type { PrunerScratch } from "./scratch.ts";
import type { LivePruner, PrunerState } from "./state.ts";

/** What becomes of one layer's mask. */
interface MaskPlan extends Competitor {
  /** Which blocks go; `null`: the mask stays. */
  readonly decision: Decision | null;
  /** Whether exactly the blocks of the decision go, and those of N:M groups that are pruned already stay as they are. */
  readonly exact: boolean;
  readonly frozen: boolean;
}

/** Plans the masks of layers that share a budget, so that `ratio` of their blocks are pruned. */
export type PlanMasks = (
  pruner: PrunerState,
  group: readonly Competitor[],
  ratio: number,
  scratch: PrunerScratch,
) => readonly MaskPlan[];

/** `inc`: ties overshoot, earlier masks are replaced, layers at a bound are frozen. */
export const planIncMasks: PlanMasks = (pruner, group, ratio, scratch) => {
  const { pattern, ...config } = pruner.config;
  const candidates = group.map((one) => incCandidate(pruner, one, scratch));
  const bounds = {
    max: perBlock(pattern, config.maxSparsityRatioPerOp),
    min: perBlock(pattern, config.minSparsityRatioPerOp),
    final: perBlock(pattern, config.targetSparsity),
  };
  const budget = perBlock(pattern, ratio);
  const isGroup = pattern.kind === "group";
  const plans = planBudget(candidates, budget, bounds, isGroup, scratch.selection) ?? [];
  return plans.map((plan, i) => ({ ...group[i], ...plan, exact: false }));
};

/** `strict`: the exact number of blocks, and pruned blocks stay pruned. */
export const planExactMasks: PlanMasks = (pruner, group, ratio, scratch) => {
  const { pattern } = pruner.config;
  const candidates = group.map((one) => exactCandidate(pruner, one, ratio, scratch));
  const blocks = sumOf(candidates, ({ scores }) => scores.length);
  const pruned = sumOf(candidates, (candidate) => candidate.pruned);
  const budget = Math.max(pruned, exactCount(blocks, perBlock(pattern, ratio)));
  const decisions = planExactBudget(candidates, budget, scratch.selection);
  return decisions.map((decision, i) => ({ ...group[i], decision, exact: true, frozen: false }));
};

/** Whether group lasso's terms fit a weight by broadcasting: one for each row, column or element of a matrix. */
function broadcasts(layout: BlockLayout, shape: readonly number[]): boolean {
  const { blockHeight, blockWidth, blockRows, blockColumns } = layout;
  const fits = (blockHeight === 1 || blockRows === 1) && (blockWidth === 1 || blockColumns === 1);
  return fits && shape.length <= 2;
}

/** INC does not spread the terms over a layer that stays frozen, and breaks if they do not fit. */
export function checkFrozenLasso({ config }: PrunerState, plans: readonly MaskPlan[]): void {
  const { groupLasso, criterion } = config;
  if (groupLasso === null || accumulatesElements(criterion)) return;
  for (const { layer, frozen } of plans) {
    const { name, layout, shape } = layer;
    if (!frozen || broadcasts(layout, shape)) continue;
    refuseCombination(
      name,
      `no layer to reach a per-op bound under group lasso with the ${criterion} criterion`,
      "this one, which does",
      name,
    );
  }
}

/** The layers that share a budget: all that the pattern divides, or each alone. */
export function budgetGroups(
  pruner: LivePruner,
  scratch: PrunerScratch,
): readonly (readonly Competitor[])[] {
  const divided = pruner.layers
    .map((layer, i) => ({ layer, own: scratch.layers[i] }))
    .filter(({ layer }) => layer.layout.divides);
  return grouped(pruner.config.pruningScope === "global", divided);
}

/** Writes one layer's mask as planned. */
export function writeMaskInto(
  { config: { pattern } }: PrunerState,
  { layer, own, decision, exact, frozen }: MaskPlan,
  { row, group, selection: { kernels } }: PrunerScratch,
): void {
  const { layout, mask, scores } = layer;
  const { blockScores } = own;
  if (decision === null || scores === null) scrambleMaskInto(layout, mask, row);
  else if (pattern.kind === "block")
    writeBlockMaskInto(layout, exact ? blockScores : scores, decision, mask, kernels);
  else {
    const most = exact ? pattern.prune : pattern.of;
    const settled = exact ? own.flags : null;
    writeGroupMaskInto(pattern, layout, blockScores, scores, decision, most, settled, mask, group);
  }
  layer.frozen = frozen;
}
