/**
 * One prune step of one pruner: candidates -> budget -> masks. Everything that can fail happens before
 * the first mask is written.
 */
import { sumOf } from "../core/sum.ts";
import { type BlockCount, type Decision, planBudget } from "./budget.ts";
import {
  type Competitor,
  exactCandidate,
  incCandidate,
  type LayerScratch,
  type ReplaceScratch,
} from "./candidates.ts";
import { accumulatesElements } from "./criteria.ts";
import { exactCount, planExactBudget } from "./exact.ts";
import { refusePruning } from "./layer.ts";
import { countOwnBlocks, scrambleMask, writeBlockMaskInto, writeGroupMaskInto } from "./mask.ts";
import { type BlockLayout, perBlock } from "./pattern.ts";
import type { Mutable, PrunedLayer, PrunerState } from "./state.ts";

/** A layer whose turn came at a prune step; a `null` decision leaves its mask as it is. */
export interface PlannedLayer extends Competitor {
  readonly decision: Decision | null;
  readonly frozen: boolean;
}

/** Blocks of all layers under their present masks, as `countBlocks` counts them. */
export function countPruner({ config, layers }: PrunerState, truthful: boolean): BlockCount {
  const counts = layers.map(({ layout, mask }) =>
    countOwnBlocks(config.pattern, layout, mask, truthful),
  );
  return {
    pruned: sumOf(counts, ({ pruned }) => pruned),
    total: sumOf(counts, ({ total }) => total),
  };
}

/** The layers that share a budget: all that the pattern divides, or each alone. */
function budgetGroups(pruner: PrunerState, scratch: ReplaceScratch): Competitor[][] {
  const divisible = pruner.layers
    .map((layer, i) => ({ layer, own: scratch.layers[i] as LayerScratch }))
    .filter(({ layer }) => layer.layout.divides);
  return pruner.config.pruningScope === "global" ? [divisible] : divisible.map((one) => [one]);
}

/** Plans one budget under `inc`. */
function planInc(
  pruner: PrunerState,
  group: readonly Competitor[],
  ratio: number,
  scratch: ReplaceScratch,
): PlannedLayer[] {
  const { pattern, ...config } = pruner.config;
  const candidates = group.map((one) => incCandidate(pruner, one, scratch));
  const bounds = {
    max: perBlock(pattern, config.maxSparsityRatioPerOp),
    min: perBlock(pattern, config.minSparsityRatioPerOp),
    final: perBlock(pattern, config.targetSparsity),
  };
  const plans = planBudget(
    candidates,
    perBlock(pattern, ratio),
    bounds,
    pattern.kind === "group",
    scratch.selection,
  );
  return (plans ?? []).map((plan, i) => ({ ...(group[i] as Competitor), ...plan }));
}

/** Plans one budget under `strict`. */
function planStrict(
  pruner: PrunerState,
  group: readonly Competitor[],
  ratio: number,
  scratch: ReplaceScratch,
): PlannedLayer[] {
  const candidates = group.map((one) => exactCandidate(pruner, one, ratio, scratch));
  const blocks = sumOf(candidates, ({ scores }) => scores.length);
  const pruned = sumOf(candidates, (candidate) => candidate.pruned);
  const budget = Math.max(pruned, exactCount(blocks, perBlock(pruner.config.pattern, ratio)));
  const decisions = planExactBudget(candidates, budget, scratch.selection);
  return decisions.map((decision, i) => ({ ...(group[i] as Competitor), decision, frozen: false }));
}

/**
 * Whether group lasso's terms spread over a weight by themselves (by broadcasting): each is for one row, one column
 * or one element of a matrix.
 */
function broadcasts(layout: BlockLayout, shape: readonly number[]): boolean {
  const { blockHeight, blockWidth, blockRows, blockColumns } = layout;
  if (shape.length > 2) return false;
  return (blockHeight === 1 || blockRows === 1) && (blockWidth === 1 || blockColumns === 1);
}

/** INC does not spread them for a layer frozen under a criterion that keeps it so, and breaks where they do not fit. */
function refuseFrozenLasso(pruner: PrunerState, plans: readonly PlannedLayer[]): void {
  const { groupLasso, criterion } = pruner.config;
  if (groupLasso === null || accumulatesElements(criterion)) return;
  for (const { layer, frozen } of plans) {
    if (frozen && !broadcasts(layer.layout, layer.shape))
      refusePruning(
        "unsupported-combination",
        layer.name,
        `no layer to reach a per-op bound under group lasso with the ${criterion} criterion`,
        "this one, which does",
        layer.name,
      );
  }
}

/** Writes one layer's mask as planned, in place. */
export function commitPlanInto(
  strict: boolean,
  pruner: PrunerState,
  plan: PlannedLayer,
  scratch: ReplaceScratch,
): void {
  const { pattern } = pruner.config;
  const layer: Mutable<PrunedLayer> = plan.layer;
  const { layout, mask, scores } = layer;
  if (plan.decision === null || scores === null) {
    scrambleMask(layout, mask, scratch.row);
  } else if (pattern.kind === "group") {
    const { blockScores, flags } = plan.own;
    const settled = strict ? flags : null;
    writeGroupMaskInto(
      pattern,
      layout,
      blockScores,
      scores,
      plan.decision,
      strict,
      settled,
      mask,
      scratch.group,
    );
  } else {
    const decided = strict ? plan.own.blockScores : scores;
    writeBlockMaskInto(layout, decided, plan.decision, mask, scratch.selection.kernels);
  }
  layer.frozen = plan.frozen;
}

/**
 * Replaces a pruner's masks so that `ratio` of its blocks are pruned (INC: `get_masks`).
 *
 * @throws PruningError where the budget cannot be met; the masks are then untouched.
 */
export function replaceMasks(
  strict: boolean,
  pruner: PrunerState,
  ratio: number,
  scratch: ReplaceScratch,
): void {
  const plan = strict ? planStrict : planInc;
  const plans = budgetGroups(pruner, scratch).flatMap((group) =>
    plan(pruner, group, ratio, scratch),
  );
  refuseFrozenLasso(pruner, plans);
  for (const one of plans) commitPlanInto(strict, pruner, one, scratch);
}
