/**
 * One pruner's scores, brought up to date from its layers' weights and gradients, and the working memory of
 * a pruner.
 */
import { blockMaskGradientsInto, updateBlockMaskScoresInto } from "./block-mask.ts";
import type { ReplaceScratch } from "./candidates.ts";
import {
  type BlockCriterion,
  CRITERIA,
  needsGradient,
  rearrangesMasks,
  scoresBlockMasks,
} from "./criteria.ts";
import type { LayerRecord } from "./layer.ts";
import { blockCount } from "./pattern.ts";
import { type ScoreScratch, updateBlockScoresInto, updateElementScoresInto } from "./score.ts";
import type { Mutable, PrunedLayer, PrunerState } from "./state.ts";

/** Working memory of one pruner. */
export interface PrunerScratch {
  readonly score: ScoreScratch;
  /** Gradients of one layer's block masks. */
  maskGradients: Float32Array;
  readonly replace: ReplaceScratch;
  /** The layer records of the call in progress, in the order of the pruner's layers. */
  readonly records: LayerRecord[];
}

/** Room for one layer's gradients of block masks, as many as it has scores. */
function reserveGradients(scratch: PrunerScratch, { length }: Float32Array): Float32Array {
  if (scratch.maskGradients.length < length) scratch.maskGradients = new Float32Array(length);
  return scratch.maskGradients.subarray(0, length);
}

/** The record of a pruner's layer. */
export function recordOf(scratch: PrunerScratch, index: number): LayerRecord {
  return scratch.records[index] as LayerRecord;
}

/** Whether a layer's scores are one per element rather than one per block. */
function scoresPerElement(pruner: PrunerState, layer: PrunedLayer): boolean {
  const { pattern, criterion } = pruner.config;
  const frozenForGood = layer.frozen && CRITERIA[criterion].decay === null;
  return pattern.kind === "group" || !layer.layout.divides || frozenForGood;
}

/** Takes the gradients of the block masks into the scores; retrain_free keeps them as well. */
function updateBlockMaskScores(
  criterion: BlockCriterion,
  pruner: PrunerState,
  scratch: PrunerScratch,
): void {
  const { lowMemoryUsage } = pruner.config;
  pruner.layers.forEach((layer: Mutable<PrunedLayer>, i) => {
    const { layout, scores } = layer;
    if (scores === null) return;
    const { data, gradient } = recordOf(scratch, i);
    const keeps = rearrangesMasks(criterion);
    const gradients = keeps ? new Float32Array(scores.length) : reserveGradients(scratch, scores);
    blockMaskGradientsInto(layout, data, gradient ?? data, gradients);
    updateBlockMaskScoresInto(criterion, lowMemoryUsage, gradients, scores);
    if (keeps) layer.collected = [...layer.collected, gradients];
  });
}

/** Brings all scores up to date with the weights and gradients. */
export function updateScores(pruner: PrunerState, scratch: PrunerScratch): void {
  const { criterion, scoreReduction, lowMemoryUsage } = pruner.config;
  if (scoresBlockMasks(criterion)) {
    updateBlockMaskScores(criterion, pruner, scratch);
    return;
  }
  const rule = { criterion, scoreReduction, lowMemoryUsage };
  pruner.layers.forEach((layer: Mutable<PrunedLayer>, i) => {
    const { data, gradient } = recordOf(scratch, i);
    const perElement = scoresPerElement(pruner, layer);
    const count = perElement ? data.length : blockCount(layer.layout);
    if (layer.scores?.length !== count) layer.scores = new Float32Array(count);
    const scores = layer.scores;
    if (perElement) updateElementScoresInto(rule, data, gradient ?? data, scores, scratch.score);
    else updateBlockScoresInto(rule, layer.layout, data, gradient ?? data, scores, scratch.score);
  });
}

/** Whether a step's gradients are looked at: block masks have some from the start step to the end step only. */
export function readsGradients(strict: boolean, { config, step }: PrunerState): boolean {
  const { criterion, groupLasso, method, startStep, endStep } = config;
  if (scoresBlockMasks(criterion)) return step >= startStep && step <= endStep;
  const lasso = !strict && groupLasso !== null;
  return method !== "pattern_lock" && (needsGradient(criterion) || lasso);
}
