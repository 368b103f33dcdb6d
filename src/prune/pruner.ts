/** The hooks of one pruner (INC: `pruners/basic.py`, `progressive.py`, `pattern_lock.py`, `retrain_free.py`). */
import { applyMasksInto } from "./apply.ts";
import { grouped } from "./config.ts";
import { countPruner } from "./count.ts";
import {
  accumulatesElements,
  needsGradient,
  rearrangesMasks,
  scoresBlockMasks,
} from "./criteria.ts";
import { shrinkBlocksInto } from "./lasso.ts";
import { pruneStepInto, sparsityOf, type Turn, updateMasksInto } from "./pipeline.ts";
import { planProgressive } from "./progressive.ts";
import { isPruneStep } from "./schedule.ts";
import { updateScoresInto } from "./score.ts";

/** Computes the masks of all layers from the zeros in their weights. */
function lockMasksInto({ rules, pruner, scratch }: Turn): void {
  pruner.layers.forEach(({ layout, mask, previousMask, progressiveMask }, i) => {
    rules.lockMaskInto(pruner.config.pattern, layout, scratch.records[i].data, mask);
    if (!rules.locksAtOnce) return;
    previousMask?.set(mask);
    progressiveMask?.set(mask);
  });
}

/**
 * At the start step, if `lockInitSparsity` is set, computes masks from the zeros that the weights already contain, and
 * records the initial sparsity.
 */
function lockInitialSparsityInto(turn: Turn): void {
  const { rules, pruner } = turn;
  const { config } = pruner;
  if (!config.lockInitSparsity || pruner.step !== config.startStep) return;
  if (!(rules.readsBlockMasks && scoresBlockMasks(config.criterion))) lockMasksInto(turn);
  const count = countPruner(pruner, rules.keptLimit(config.pattern));
  pruner.initialSparsity = sparsityOf(config, count);
  pruner.currentSparsity = pruner.initialSparsity;
}

function completeMasksInto({ pruner }: Turn): void {
  for (const { progressiveMask, mask } of pruner.layers) progressiveMask?.set(mask);
}

/** Writes interpolated masks that contain the first `part` parts of the changes of the latest prune step. */
function interpolateInto({ rules, pruner, scratch }: Turn, part: number): void {
  const { progressive } = rules;
  const layers = pruner.layers.flatMap(({ layout, mask, scores, previousMask, progressiveMask }) =>
    scores && previousMask && progressiveMask
      ? [{ layout, before: previousMask, after: mask, scores, out: progressiveMask }]
      : [],
  );
  const parts = progressive.parts(planProgressive(pruner.config));
  for (const group of grouped(progressive.ranksTogether(pruner.config), layers))
    progressive.interpolateMasksInto(group, part, parts, scratch.selection);
}

/**
 * Begins a step of progressive pruning: computes new masks at a prune step, otherwise applies the next part if it is
 * due.
 */
function beginProgressiveInto(turn: Turn): void {
  const { pruner, scratch } = turn;
  const { progressive } = turn.rules;
  const { config, step } = pruner;
  const plan = planProgressive(config);
  if (isPruneStep(config, step)) {
    if (pruner.currentSparsity > config.targetSparsity) return;
    pruner.lastPruneStep = step;
    const initial = progressive.startsFromInitial ? pruner.initialSparsity : 0;
    if (!updateMasksInto(turn, initial)) return;
    interpolateInto(turn, 1);
  } else {
    const interval = progressive.interval(plan, config.pruningFrequency);
    const isActive = step >= config.startStep && step <= config.endStep;
    if (!isActive || (step - progressive.origin(pruner)) % interval !== 0) return;
    if (pruner.currentSparsity > config.targetSparsity) return;
    const part = Math.floor((step - pruner.lastPruneStep) / interval) + 1;
    if (part < plan.parts) interpolateInto(turn, part);
    else completeMasksInto(turn);
  }
  applyMasksInto(pruner, scratch, false);
}

/** After the end step, applies the full masks: once under `inc`, permanently under `strict`. */
function endProgressiveInto(turn: Turn): void {
  const { rules, pruner, scratch } = turn;
  if (!pruner.interpolating || pruner.aligned || pruner.step <= pruner.config.endStep) return;
  if (rules.progressive.completes) completeMasksInto(turn);
  applyMasksInto(pruner, scratch, true);
  pruner.aligned = true;
}

/** INC's `on_step_begin`: a prune step computes new masks and applies them to the weights. */
export function beginStepInto(turn: Turn): void {
  const { pruner } = turn;
  endProgressiveInto(turn);
  if (pruner.handledStep === pruner.step) return;
  if (pruner.config.method === "pattern_lock") {
    if (isPruneStep(pruner.config, pruner.step)) lockMasksInto(turn);
  } else {
    lockInitialSparsityInto(turn);
    if (pruner.interpolating) beginProgressiveInto(turn);
    else pruneStepInto(turn);
  }
  pruner.handledStep = pruner.step;
}

/**
 * Whether a pruner reads the gradients of the current step. Block masks have gradients only from the start step to the
 * end step.
 */
export function readsGradients({ rules, pruner: { config, step } }: Turn): boolean {
  const { criterion, groupLasso, method, startStep, endStep } = config;
  if (scoresBlockMasks(criterion)) return step >= startStep && step <= endStep;
  const lasso = rules.lassoFromGradientsInto !== null && groupLasso !== null;
  return method !== "pattern_lock" && (needsGradient(criterion) || lasso);
}

/**
 * INC's `on_before_optimizer_step`: updates the scores, and under `inc` also the group lasso terms, from the gradients.
 */
export function beforeOptimizerStepInto(turn: Turn): void {
  const { rules, pruner, scratch } = turn;
  if (!readsGradients(turn)) return;
  const { criterion, pattern, groupLasso } = pruner.config;
  pruner.layers.forEach(({ layout, lassoTerms }, i) => {
    const { gradient } = scratch.records[i];
    if (groupLasso !== null && lassoTerms && gradient)
      rules.lassoFromGradientsInto?.(layout, groupLasso, gradient, lassoTerms);
  });
  if (!needsGradient(criterion)) return;
  // Accumulated scores are reduced to block scores at every step. In INC, this unfreezes all layers.
  if (accumulatesElements(criterion) && pattern.kind === "block")
    for (const layer of pruner.layers) layer.frozen = false;
  updateScoresInto(pruner, scratch);
}

/**
 * INC's `on_after_optimizer_step`: applies group lasso, then zeroes pruned weights. Rearranged masks are not applied
 * before the end step (INC's `on_step_end`).
 */
export function afterOptimizerStepInto({ rules, pruner, scratch }: Turn): void {
  const { config, step } = pruner;
  const { groupLasso, startStep, endStep } = config;
  if (rearrangesMasks(config.criterion)) {
    if (rules.masksRearranged(step, endStep)) applyMasksInto(pruner, scratch, true);
    pruner.step++;
    return;
  }
  if (groupLasso !== null && step >= startStep && step <= endStep)
    pruner.layers.forEach(({ layout, lassoTerms }, i) => {
      if (lassoTerms === null) return;
      const { data } = scratch.records[i];
      rules.lassoFromWeightsInto?.(layout, groupLasso, data, lassoTerms);
      shrinkBlocksInto(layout, lassoTerms, data);
    });
  applyMasksInto(pruner, scratch, false);
  pruner.step++;
}
