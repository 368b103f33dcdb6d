/**
 * One prune step of one pruner: candidates -> budget -> masks. Everything that can fail happens before
 * the first mask is written.
 */
import { type BlockCount, type Decision, planBudget } from "./budget.ts";
import {
  exactCandidate,
  incCandidate,
  type LayerScratch,
  type ReplaceScratch,
} from "./candidates.ts";
import { exactCount, planExactBudget } from "./exact.ts";
import { refusePruning } from "./layer.ts";
import { countOwnBlocks, scrambleMask, writeBlockMaskInto, writeGroupMaskInto } from "./mask.ts";
import { type BlockLayout, perBlock } from "./pattern.ts";
import type { Mutable, PrunedLayer, PrunerState } from "./state.ts";

/** A layer whose turn came at a prune step; a `null` decision leaves its mask as it is. */
interface PlannedLayer {
  readonly index: number;
  readonly decision: Decision | null;
  readonly frozen: boolean;
}

/** Blocks of all layers under their present masks, as `countBlocks` counts them. */
export function countPruner({ config, layers }: PrunerState, truthful: boolean): BlockCount {
  let pruned = 0;
  let total = 0;
  for (const { layout, mask } of layers) {
    const count = countOwnBlocks(config.pattern, layout, mask, truthful);
    pruned += count.pruned;
    total += count.total;
  }
  return { pruned, total };
}

/** Indices of the layers that share a budget: all that the pattern divides, or each alone. */
function budgetGroups(pruner: PrunerState): number[][] {
  const divisible = pruner.layers.flatMap((layer, i) => (layer.layout.divides ? [i] : []));
  return pruner.config.pruningScope === "global" ? [divisible] : divisible.map((i) => [i]);
}

/** Plans one budget under `inc`. */
function planInc(
  pruner: PrunerState,
  group: readonly number[],
  ratio: number,
  scratch: ReplaceScratch,
): PlannedLayer[] {
  const { pattern, ...config } = pruner.config;
  const candidates = group.map((i) => incCandidate(pruner, i, scratch));
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
  return (plans ?? []).map((plan, i) => ({ index: group[i] as number, ...plan }));
}

/** Plans one budget under `strict`. */
function planStrict(
  pruner: PrunerState,
  group: readonly number[],
  ratio: number,
  scratch: ReplaceScratch,
): PlannedLayer[] {
  const candidates = group.map((i) => exactCandidate(pruner, i, ratio, scratch));
  const blocks = candidates.reduce((sum, { scores }) => sum + scores.length, 0);
  const pruned = candidates.reduce((sum, candidate) => sum + candidate.pruned, 0);
  const budget = Math.max(pruned, exactCount(blocks, perBlock(pruner.config.pattern, ratio)));
  const decisions = planExactBudget(candidates, budget, scratch.selection);
  return decisions.map((decision, i) => ({ index: group[i] as number, decision, frozen: false }));
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
  if (groupLasso === null || criterion === "snip_momentum") return;
  for (const { index, frozen } of plans) {
    const layer = pruner.layers[index] as PrunedLayer;
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

/** Writes one layer's mask as planned. */
function commit(
  strict: boolean,
  pruner: PrunerState,
  plan: PlannedLayer,
  scratch: ReplaceScratch,
): void {
  const { pattern } = pruner.config;
  const layer: Mutable<PrunedLayer> = pruner.layers[plan.index] as PrunedLayer;
  const layerScratch = scratch.layers[plan.index] as LayerScratch;
  const { layout, mask, scores } = layer;
  if (plan.decision === null || scores === null) {
    scrambleMask(layout, mask, scratch.row);
  } else if (pattern.kind === "group") {
    const { blockScores, flags } = layerScratch;
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
    const decided = strict ? layerScratch.blockScores : scores;
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
  const plans = budgetGroups(pruner).flatMap((group) => plan(pruner, group, ratio, scratch));
  refuseFrozenLasso(pruner, plans);
  for (const one of plans) commit(strict, pruner, one, scratch);
}
