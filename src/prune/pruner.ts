/**
 * One pruner: what it does at each hook (INC: `pruners/basic.py`,
 * `progressive.py`, `pattern_lock.py`). These functions change the state and the weights in place.
 */
import type { BlockCount } from "./budget.ts";
import type { PatternPrunerConfig } from "./config.ts";
import {
  accumulatesElements,
  needsGradient,
  rearrangesMasks,
  scoresBlockMasks,
} from "./criteria.ts";
import { incLassoTermsInto, lassoTermsInto, shrinkBlocksInto } from "./lasso.ts";
import { refusePruning } from "./layer.ts";
import { lockMaskInto } from "./lock.ts";
import { applyOwnMaskInto, markPrunedInto, writeBlockMaskInto } from "./mask.ts";
import { blockCount, perElement } from "./pattern.ts";
import { interpolateMasksInto, PROGRESSIVE_STEPS, planProgressive } from "./progressive.ts";
import { rearrangeInto } from "./rearrange.ts";
import { countPruner, replaceMasks } from "./replace.ts";
import { exactTargetRatio, isPruneStep, targetRatio } from "./schedule.ts";
import type { Mutable, PrunedLayer, PrunerState } from "./state.ts";
import { type PrunerScratch, readsGradients, recordOf, updateScores } from "./update-scores.ts";

/** Sets masked weights to zero: under the interpolated masks, or with `full` under the complete ones. */
function applyMasks(pruner: PrunerState, scratch: PrunerScratch, full: boolean): void {
  const { kernels } = scratch.replace.selection;
  const { pattern } = pruner.config;
  pruner.layers.forEach(({ layout, mask, progressiveMask }, i) => {
    const { data } = recordOf(scratch, i);
    if (progressiveMask !== null && !full)
      kernels.applyMaskInto(progressiveMask, 1, progressiveMask.length, data);
    else applyOwnMaskInto(pattern, layout, mask, data, kernels);
  });
}

/** Pruned blocks as a share; for N:M the share of elements they stand for. */
function sparsityOf({ pattern }: PatternPrunerConfig, { pruned, total }: BlockCount): number {
  return total === 0 ? 0 : perElement(pattern, pruned / total);
}

/** Reads masks off the weights' zeros. */
function lockMasks(strict: boolean, pruner: PrunerState, scratch: PrunerScratch): void {
  pruner.layers.forEach(({ layout, mask, previousMask, progressiveMask }, i) => {
    const { data } = recordOf(scratch, i);
    lockMaskInto(pruner.config.pattern, layout, data, strict, mask);
    if (!strict) return;
    previousMask?.set(mask);
    progressiveMask?.set(mask);
  });
}

/** At the start step, takes over the zeros already there. */
function lockInitialSparsity(
  strict: boolean,
  pruner: Mutable<PrunerState>,
  scratch: PrunerScratch,
): void {
  if (!pruner.config.lockInitSparsity || pruner.step !== pruner.config.startStep) return;
  // Under INC a block mask has been read off the weights before the first step.
  if (strict || !scoresBlockMasks(pruner.config.criterion)) lockMasks(strict, pruner, scratch);
  pruner.initialSparsity = sparsityOf(pruner.config, countPruner(pruner, strict));
  pruner.currentSparsity = pruner.initialSparsity;
}

/** Flags of the pruned blocks of each layer of a retrain_free pruner. */
function prunedBlocks({ config, layers }: PrunerState): Uint8Array[] | null {
  if (!rearrangesMasks(config.criterion)) return null;
  return layers.map(({ layout, mask }) => {
    const flags = new Uint8Array(blockCount(layout));
    if (flags.length > 0) markPrunedInto(config.pattern, layout, mask, true, flags);
    return flags;
  });
}

/** INC breaks on a single gradient, and makes a square of a mask that is one column of blocks. */
function refuseRearranging({ name, collected, layout }: PrunedLayer): void {
  const shape = `[${layout.blockRows}, ${layout.blockColumns}]`;
  if (collected.length > 1 && blockCount(layout) > 1 && layout.blockColumns > 1) return;
  refusePruning(
    "unsupported-combination",
    name,
    "gradients of at least two steps and a mask of one row of at least two blocks to rearrange",
    `${collected.length} of a mask ${shape}`,
    name,
  );
}

/**
 * Rearranges the masks of a retrain_free pruner by the gradients seen so far.
 *
 * @param settled flags of the blocks that stay pruned, by layer; `null`: none, as in INC.
 */
function rearrangeMasks(pruner: PrunerState, settled: readonly Uint8Array[] | null): void {
  const flags = prunedBlocks(pruner);
  pruner.layers.forEach((layer, i) => {
    const pruned = flags?.[i];
    if (pruned === undefined || layer.collected.length === 0 || !pruned.includes(1)) return;
    if (settled === null) refuseRearranging(layer);
    rearrangeInto(layer.collected, pruned, settled?.[i] ?? null, pruner.config.lowMemoryUsage);
    const kept = Float32Array.from(pruned, (flag) => 1 - flag);
    const zeros = { threshold: 0, ties: Infinity };
    writeBlockMaskInto(layer.layout, kept, zeros, layer.mask);
  });
}

/** A prune step's masks. Returns the blocks pruned now, `undefined` where there were no scores to go by. */
function prune(
  strict: boolean,
  pruner: Mutable<PrunerState>,
  scratch: PrunerScratch,
  initial: number,
): BlockCount | undefined {
  if (!needsGradient(pruner.config.criterion)) updateScores(pruner, scratch);
  const { completedPruneSteps, totalPruneSteps } = pruner;
  const target = strict ? exactTargetRatio : targetRatio;
  const ratio = target(pruner.config, completedPruneSteps, totalPruneSteps, initial);
  const hasScores = pruner.layers.some(({ scores }) => scores !== null);
  if (hasScores) {
    for (const { previousMask, mask } of pruner.layers) previousMask?.set(mask);
    const settled = strict ? prunedBlocks(pruner) : null;
    replaceMasks(strict, pruner, ratio, scratch.replace);
    if (rearrangesMasks(pruner.config.criterion)) rearrangeMasks(pruner, settled);
  }
  pruner.completedPruneSteps++;
  const count = countPruner(pruner, strict);
  pruner.lastEvent = {
    step: pruner.step,
    targetRatio: ratio,
    scored: hasScores,
    prunedBlocks: count.pruned,
    totalBlocks: count.total,
  };
  return hasScores ? count : undefined;
}

/** Plain pruning at the beginning of a step. */
function beginPlain(strict: boolean, pruner: Mutable<PrunerState>, scratch: PrunerScratch): void {
  if (!isPruneStep(pruner.config, pruner.step)) return;
  if (pruner.currentSparsity > pruner.config.targetSparsity) return;
  const count = prune(strict, pruner, scratch, pruner.initialSparsity);
  if (count === undefined) return;
  if (!rearrangesMasks(pruner.config.criterion)) applyMasks(pruner, scratch, true);
  pruner.currentSparsity = sparsityOf(pruner.config, count);
}

/** Writes interpolated masks in which `part` parts of the latest change have been made. */
function interpolate(
  strict: boolean,
  pruner: PrunerState,
  scratch: PrunerScratch,
  part: number,
): void {
  const layers = pruner.layers.flatMap(({ layout, mask, scores, previousMask, progressiveMask }) =>
    scores && previousMask && progressiveMask
      ? [{ layout, before: previousMask, after: mask, scores, out: progressiveMask }]
      : [],
  );
  // INC divides by four even where frequent prune steps leave time for fewer parts.
  const parts = strict ? planProgressive(pruner.config).parts : PROGRESSIVE_STEPS;
  // INC ranks the changed elements of all layers together also in local scope.
  const together = !strict || pruner.config.pruningScope === "global";
  for (const group of together ? [layers] : layers.map((layer) => [layer]))
    interpolateMasksInto(group, part, parts, strict, scratch.replace.selection);
}

/** Progressive pruning at the beginning of a step. */
function beginProgressive(
  strict: boolean,
  pruner: Mutable<PrunerState>,
  scratch: PrunerScratch,
): void {
  const { config, step } = pruner;
  const plan = planProgressive(config);
  const { parts } = plan;
  // INC waits for the next prune step where frequent ones leave time for fewer than four parts.
  const interval = strict ? Math.floor(config.pruningFrequency / parts) : plan.interval;
  if (isPruneStep(config, step)) {
    if (pruner.currentSparsity > config.targetSparsity) return;
    pruner.lastPruneStep = step;
    const initial = strict ? pruner.initialSparsity : 0;
    if (!prune(strict, pruner, scratch, initial)) return;
    interpolate(strict, pruner, scratch, 1);
  } else {
    // INC counts ticks from the start step, which need not hit the steps after a prune step.
    const origin = strict ? pruner.lastPruneStep : config.startStep;
    const ticks = step >= config.startStep && step <= config.endStep;
    if (!ticks || (step - origin) % interval !== 0) return;
    if (pruner.currentSparsity > config.targetSparsity) return;
    const part = Math.floor((step - pruner.lastPruneStep) / interval) + 1;
    if (part < parts) interpolate(strict, pruner, scratch, part);
    else for (const { progressiveMask, mask } of pruner.layers) progressiveMask?.set(mask);
  }
  applyMasks(pruner, scratch, false);
}

/** After the end step INC applies the full masks once; under `strict` they stay. */
function completeProgressive(
  strict: boolean,
  pruner: Mutable<PrunerState>,
  scratch: PrunerScratch,
): void {
  if (!pruner.interpolating || pruner.aligned || pruner.step <= pruner.config.endStep) return;
  if (strict) for (const { progressiveMask, mask } of pruner.layers) progressiveMask?.set(mask);
  applyMasks(pruner, scratch, true);
  pruner.aligned = true;
}

/** INC's `on_step_begin`: at a prune step new masks, applied to the weights at once. */
export function beginStep(
  strict: boolean,
  pruner: Mutable<PrunerState>,
  scratch: PrunerScratch,
): void {
  completeProgressive(strict, pruner, scratch);
  if (pruner.handledStep === pruner.step) return;
  if (pruner.config.method === "pattern_lock") {
    if (isPruneStep(pruner.config, pruner.step)) lockMasks(strict, pruner, scratch);
  } else {
    lockInitialSparsity(strict, pruner, scratch);
    const begin = pruner.interpolating ? beginProgressive : beginPlain;
    begin(strict, pruner, scratch);
  }
  pruner.handledStep = pruner.step;
}

/** INC's `on_before_optimizer_step`: scores, and under `inc` group lasso, from the step's gradients. */
export function beforeOptimizerStep(
  strict: boolean,
  pruner: PrunerState,
  scratch: PrunerScratch,
): void {
  const { config } = pruner;
  if (!readsGradients(strict, pruner)) return;
  const { groupLasso } = config;
  if (groupLasso !== null && !strict) {
    pruner.layers.forEach(({ layout, lassoTerms }, i) => {
      const { gradient } = recordOf(scratch, i);
      if (lassoTerms && gradient) incLassoTermsInto(layout, groupLasso, gradient, lassoTerms);
    });
  }
  if (!needsGradient(config.criterion)) return;
  // A block pattern's snip_momentum scores are rebuilt at every step, which lifts the freeze.
  if (accumulatesElements(config.criterion) && config.pattern.kind === "block")
    for (const layer of pruner.layers as Mutable<PrunedLayer>[]) layer.frozen = false;
  updateScores(pruner, scratch);
}

/**
 * INC's `on_after_optimizer_step`: group lasso, then masked weights back to zero. With retrain_free (INC's
 * `on_step_end`) weights stay as they are until the end step, and are masked there.
 */
export function afterOptimizerStep(
  strict: boolean,
  pruner: Mutable<PrunerState>,
  scratch: PrunerScratch,
): void {
  const { config, step } = pruner;
  if (rearrangesMasks(config.criterion)) {
    const due = strict ? step >= config.endStep : step === config.endStep;
    if (due) applyMasks(pruner, scratch, true);
    pruner.step++;
    return;
  }
  const { groupLasso } = config;
  if (groupLasso !== null && step >= config.startStep && step <= config.endStep) {
    pruner.layers.forEach(({ layout, lassoTerms }, i) => {
      if (lassoTerms === null) return;
      const { data } = recordOf(scratch, i);
      if (strict) lassoTermsInto(layout, groupLasso, data, lassoTerms);
      shrinkBlocksInto(layout, lassoTerms, data);
    });
  }
  applyMasks(pruner, scratch, false);
  pruner.step++;
}
