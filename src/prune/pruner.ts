/**
 * One pruner: what it does at each hook (INC: `pruners/basic.py`,
 * `progressive.py`, `pattern_lock.py`). These functions change the state and the weights in place.
 */
import type { BlockCount } from "./budget.ts";
import type { ReplaceScratch } from "./candidates.ts";
import type { Profile, PrunerConfig } from "./config.ts";
import { lassoTermsInto, shrinkBlocksInto } from "./lasso.ts";
import type { LayerRecord } from "./layer.ts";
import { lockMaskInto } from "./lock.ts";
import { applyOwnMaskInto } from "./mask.ts";
import { blockCount, perElement } from "./pattern.ts";
import { interpolateMasksInto, PROGRESSIVE_STEPS, planProgressive } from "./progressive.ts";
import { countPruner, replaceMasks } from "./replace.ts";
import { isPruneStep, targetRatio } from "./schedule.ts";
import {
  needsGradient,
  type ScoreScratch,
  updateBlockScoresInto,
  updateElementScoresInto,
} from "./score.ts";
import type { Mutable, PrunedLayer, PrunerState } from "./state.ts";

/** Working memory of one pruner. */
export interface PrunerScratch {
  readonly score: ScoreScratch;
  readonly replace: ReplaceScratch;
  /** The layer records of the call in progress, in the order of the pruner's layers. */
  readonly records: LayerRecord[];
}

/** The record of a pruner's layer. */
function recordOf(scratch: PrunerScratch, index: number): LayerRecord {
  return scratch.records[index] as LayerRecord;
}

/** Whether a layer's scores are one per element rather than one per block. */
function scoresPerElement(pruner: PrunerState, layer: PrunedLayer): boolean {
  const { pattern, criterion } = pruner.config;
  const frozenForGood = layer.frozen && criterion !== "snip_momentum";
  return pattern.kind === "group" || !layer.layout.divides || frozenForGood;
}

/** Brings all scores up to date with the weights and gradients. */
function updateScores(pruner: PrunerState, scratch: PrunerScratch): void {
  pruner.layers.forEach((layer: Mutable<PrunedLayer>, i) => {
    const { data, gradient } = recordOf(scratch, i);
    const perElement = scoresPerElement(pruner, layer);
    const count = perElement ? data.length : blockCount(layer.layout);
    if (layer.scores?.length !== count) layer.scores = new Float32Array(count);
    const scores = layer.scores;
    if (perElement)
      updateElementScoresInto(pruner.config, data, gradient ?? data, scores, scratch.score);
    else
      updateBlockScoresInto(
        pruner.config,
        layer.layout,
        data,
        gradient ?? data,
        scores,
        scratch.score,
      );
  });
}

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
function sparsityOf({ pattern }: PrunerConfig, { pruned, total }: BlockCount): number {
  return total === 0 ? 0 : perElement(pattern, pruned / total);
}

/** Reads masks off the weights' zeros. */
function lockMasks(profile: Profile, pruner: PrunerState, scratch: PrunerScratch): void {
  pruner.layers.forEach(({ layout, mask }, i) => {
    const { data } = recordOf(scratch, i);
    lockMaskInto(pruner.config.pattern, layout, data, profile === "strict", mask);
  });
}

/** At the start step, takes over the zeros already there. */
function lockInitialSparsity(
  profile: Profile,
  pruner: Mutable<PrunerState>,
  scratch: PrunerScratch,
): void {
  if (!pruner.config.lockInitSparsity || pruner.step !== pruner.config.startStep) return;
  lockMasks(profile, pruner, scratch);
  pruner.initialSparsity = sparsityOf(pruner.config, countPruner(pruner, profile === "strict"));
  pruner.currentSparsity = pruner.initialSparsity;
}

/** A prune step's masks. Returns the blocks pruned now, `undefined` where there were no scores to go by. */
function prune(
  profile: Profile,
  pruner: Mutable<PrunerState>,
  scratch: PrunerScratch,
  initial: number,
): BlockCount | undefined {
  if (!needsGradient(pruner.config.criterion)) updateScores(pruner, scratch);
  const { completedPruneSteps, totalPruneSteps } = pruner;
  const ratio = targetRatio(pruner.config, completedPruneSteps, totalPruneSteps, initial);
  const hasScores = pruner.layers.some(({ scores }) => scores !== null);
  if (hasScores) {
    for (const { previousMask, mask } of pruner.layers) previousMask?.set(mask);
    replaceMasks(profile, pruner, ratio, scratch.replace);
  }
  pruner.completedPruneSteps++;
  const count = countPruner(pruner, profile === "strict");
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
function beginPlain(profile: Profile, pruner: Mutable<PrunerState>, scratch: PrunerScratch): void {
  lockInitialSparsity(profile, pruner, scratch);
  if (!isPruneStep(pruner.config, pruner.step)) return;
  if (pruner.currentSparsity > pruner.config.targetSparsity) return;
  const count = prune(profile, pruner, scratch, pruner.initialSparsity);
  if (count === undefined) return;
  applyMasks(pruner, scratch, true);
  pruner.currentSparsity = sparsityOf(pruner.config, count);
}

/** Writes interpolated masks in which `part` parts of the latest change have been made. */
function interpolate(
  profile: Profile,
  pruner: PrunerState,
  scratch: PrunerScratch,
  part: number,
): void {
  const layers = pruner.layers.flatMap(({ layout, mask, scores, previousMask, progressiveMask }) =>
    scores && previousMask && progressiveMask
      ? [{ layout, before: previousMask, after: mask, scores, out: progressiveMask }]
      : [],
  );
  const strict = profile === "strict";
  // INC divides by four even where frequent prune steps leave time for fewer parts.
  const parts = strict ? planProgressive(pruner.config).parts : PROGRESSIVE_STEPS;
  interpolateMasksInto(layers, part, parts, strict, scratch.replace.selection);
}

/** Progressive pruning at the beginning of a step. */
function beginProgressive(
  profile: Profile,
  pruner: Mutable<PrunerState>,
  scratch: PrunerScratch,
): void {
  lockInitialSparsity(profile, pruner, scratch);
  const { config, step } = pruner;
  const { parts, interval } = planProgressive(config);
  if (isPruneStep(config, step)) {
    if (pruner.currentSparsity > config.targetSparsity) return;
    pruner.lastPruneStep = step;
    const initial = profile === "strict" ? pruner.initialSparsity : 0;
    if (!prune(profile, pruner, scratch, initial)) return;
    interpolate(profile, pruner, scratch, 1);
  } else {
    // INC counts ticks from the start step, which need not hit the steps after a prune step.
    const origin = profile === "strict" ? pruner.lastPruneStep : config.startStep;
    const ticks = step >= config.startStep && step <= config.endStep;
    if (!ticks || (step - origin) % interval !== 0) return;
    if (pruner.currentSparsity > config.targetSparsity) return;
    const part = Math.floor((step - pruner.lastPruneStep) / interval) + 1;
    if (part < parts) interpolate(profile, pruner, scratch, part);
    else for (const { progressiveMask, mask } of pruner.layers) progressiveMask?.set(mask);
  }
  applyMasks(pruner, scratch, false);
}

/** After the end step INC applies the full masks once; under `strict` they stay. */
function completeProgressive(
  profile: Profile,
  pruner: Mutable<PrunerState>,
  scratch: PrunerScratch,
): void {
  if (!pruner.interpolating || pruner.aligned || pruner.step <= pruner.config.endStep) return;
  if (profile === "strict")
    for (const { progressiveMask, mask } of pruner.layers) progressiveMask?.set(mask);
  applyMasks(pruner, scratch, true);
  pruner.aligned = true;
}

/** INC's `on_step_begin`: at a prune step new masks, applied to the weights at once. */
export function beginStep(
  profile: Profile,
  pruner: Mutable<PrunerState>,
  scratch: PrunerScratch,
): void {
  completeProgressive(profile, pruner, scratch);
  if (pruner.handledStep === pruner.step) return;
  if (pruner.config.method === "pattern_lock") {
    if (isPruneStep(pruner.config, pruner.step)) lockMasks(profile, pruner, scratch);
  } else if (pruner.interpolating) {
    beginProgressive(profile, pruner, scratch);
  } else {
    beginPlain(profile, pruner, scratch);
  }
  pruner.handledStep = pruner.step;
}

/** INC's `on_before_optimizer_step`: scores and group lasso from the step's gradients. */
export function beforeOptimizerStep(pruner: PrunerState, scratch: PrunerScratch): void {
  const { config } = pruner;
  if (config.method === "pattern_lock") return;
  if (config.groupLasso !== null) {
    const coefficient = config.groupLasso;
    pruner.layers.forEach(({ layout, lassoTerms }, i) => {
      const { gradient } = recordOf(scratch, i);
      if (lassoTerms && gradient) lassoTermsInto(layout, coefficient, gradient, lassoTerms);
    });
  }
  if (!needsGradient(config.criterion)) return;
  // A block pattern's snip_momentum scores are rebuilt at every step, which lifts the freeze.
  if (config.criterion === "snip_momentum" && config.pattern.kind === "block")
    for (const layer of pruner.layers as Mutable<PrunedLayer>[]) layer.frozen = false;
  updateScores(pruner, scratch);
}

/** INC's `on_after_optimizer_step`: group lasso, then masked weights back to zero. */
export function afterOptimizerStep(pruner: Mutable<PrunerState>, scratch: PrunerScratch): void {
  const { config, step } = pruner;
  if (config.groupLasso !== null && step >= config.startStep && step <= config.endStep) {
    pruner.layers.forEach(({ layout, lassoTerms }, i) => {
      if (lassoTerms) shrinkBlocksInto(layout, lassoTerms, recordOf(scratch, i).data);
    });
  }
  applyMasks(pruner, scratch, false);
  pruner.step++;
}
