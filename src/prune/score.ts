/**
 * Scores: how important each element or block is (INC: `criteria.py`). Formulas are in the table of criteria; all
 * arithmetic is float32, as PyTorch's.
 */
import type { PruningKernels } from "../core/pruning-kernels.ts";
import { roundToBfloat16 } from "./accumulate.ts";
import { blockMaskGradientsInto, updateBlockMaskScoresInto } from "./block-mask.ts";
import type { PrunerConfig } from "./config.ts";
import {
  type BlockCriterion,
  CRITERIA,
  type ElementCriterion,
  type ElementRule,
  rearrangesMasks,
  scoresBlockMasks,
} from "./criteria.ts";
import { type BlockLayout, blockCount } from "./pattern.ts";
import { reduceBlockRow, reserveScores, type ScoreScratch, toMatrixOrderInto } from "./reduce.ts";
import { type PrunerScratch, reserveMaskGradients } from "./scratch.ts";
import type { LivePruner, PrunedLayer, PrunerState } from "./state.ts";

/** The part of a configuration that scores depend on. */
interface ScoreRule extends Pick<PrunerConfig, "scoreReduction" | "lowMemoryUsage"> {
  readonly criterion: ElementCriterion;
}

/**
 * Merges `count` fresh scores into the stored ones from `start`: scores = decay * scores + fresh, rounded to bfloat16
 * with `lowMemory`, or scores = fresh without a decay.
 */
function mergeInto(
  decay: number | null,
  lowMemory: boolean,
  fresh: Float32Array,
  count: number,
  start: number,
  scores: Float32Array,
): void {
  if (decay === null) {
    for (let i = 0; i < count; i++) scores[start + i] = fresh[i];
  } else if (lowMemory) {
    const factor = roundToBfloat16(decay);
    for (let i = 0; i < count; i++) {
      const kept = roundToBfloat16(scores[start + i] * factor);
      scores[start + i] = roundToBfloat16(kept + roundToBfloat16(fresh[i]));
    }
  } else {
    const factor = Math.fround(decay);
    for (let i = 0; i < count; i++)
      scores[start + i] = Math.fround(scores[start + i] * factor) + fresh[i];
  }
}

/** The tallest blocks whose elements add up in the same order whatever kernel PyTorch takes. */
const LOW = 4;

/** Whether a criterion's elements are scored and merged by a loop of the kernels, in float32. */
function hasLoop({ decay, loop }: ElementRule, { lowMemoryUsage }: ScoreRule): boolean {
  return loop !== null && !(decay !== null && lowMemoryUsage);
}

/** Whether block scores are plain sums down low columns, which the kernels make and merge in one pass. */
function sumsColumns({ scoreReduction }: ScoreRule, layout: BlockLayout): boolean {
  const { blockHeight, blockWidth, positions } = layout;
  return blockWidth === 1 && blockHeight <= LOW && positions === 1 && scoreReduction !== "max";
}

/** Updates the scores of low blocks of one column (of single elements, with a height of 1) in one pass. */
function updateFusedInto(
  { loop, decay }: ElementRule,
  divisor: number,
  height: number,
  columns: number,
  weight: Float32Array,
  gradient: Float32Array,
  scores: Float32Array,
  kernels: PruningKernels,
): void {
  const values = loop === "gradient" ? gradient : weight;
  const factors = loop === "product" ? gradient : null;
  const momentum = decay === null ? 0 : Math.fround(decay);
  kernels.updateScoresInto(values, factors, height, columns, divisor, momentum, scores);
}

/**
 * Updates one score per block from a weight and its gradient, in one pass over both.
 * `scores` has `blockRows * blockColumns` entries; the gradient is not read for magnitude.
 */
function updateBlockScoresInto(
  rule: ScoreRule,
  layout: BlockLayout,
  weight: Float32Array,
  gradient: Float32Array,
  scores: Float32Array,
  scratch: ScoreScratch,
): void {
  const { blockHeight: height, columns, blockColumns, positions } = layout;
  const criterion = CRITERIA[rule.criterion];
  if (hasLoop(criterion, rule) && sumsColumns(rule, layout)) {
    const divisor = rule.scoreReduction === "mean" ? height : 1;
    const { kernels } = scratch;
    updateFusedInto(criterion, divisor, height, columns, weight, gradient, scores, kernels);
    return;
  }
  const count = height * columns;
  reserveScores(scratch, count);
  const { elements, rows } = scratch;
  for (let blockRow = 0; blockRow < layout.blockRows; blockRow++) {
    criterion.scoreInto(weight, gradient, blockRow * count, count, elements);
    if (positions > 1) toMatrixOrderInto(layout, elements, 0, height, rows);
    const ordered = positions > 1 ? rows : elements;
    const reduced = reduceBlockRow(layout, rule.scoreReduction, ordered, scratch);
    const start = blockRow * blockColumns;
    mergeInto(criterion.decay, rule.lowMemoryUsage, reduced, blockColumns, start, scores);
  }
}

/** Updates one score per element, in the weight's own order. */
function updateElementScoresInto(
  rule: ScoreRule,
  weight: Float32Array,
  gradient: Float32Array,
  scores: Float32Array,
  scratch: ScoreScratch,
): void {
  const criterion = CRITERIA[rule.criterion];
  if (hasLoop(criterion, rule)) {
    updateFusedInto(criterion, 1, 1, weight.length, weight, gradient, scores, scratch.kernels);
    return;
  }
  const chunk = 4096;
  reserveScores(scratch, chunk);
  for (let start = 0; start < weight.length; start += chunk) {
    const count = Math.min(chunk, weight.length - start);
    criterion.scoreInto(weight, gradient, start, count, scratch.elements);
    mergeInto(criterion.decay, rule.lowMemoryUsage, scratch.elements, count, start, scores);
  }
}

/** Whether a layer's scores are one per element rather than one per block. */
function scoresPerElement({ config }: PrunerState, { layout, frozen }: PrunedLayer): boolean {
  const frozenForGood = frozen && CRITERIA[config.criterion].decay === null;
  return config.pattern.kind === "group" || !layout.divides || frozenForGood;
}

/** Adds the gradients of the block masks to the scores, and collects them if masks are rearranged by them. */
function updateFromBlockMasksInto(
  criterion: BlockCriterion,
  pruner: LivePruner,
  scratch: PrunerScratch,
): void {
  const collects = rearrangesMasks(criterion);
  pruner.layers.forEach((layer, i) => {
    const { layout, scores } = layer;
    if (scores === null) return;
    const { data, gradient } = scratch.records[i];
    const gradients = collects
      ? new Float32Array(scores.length)
      : reserveMaskGradients(scratch, scores.length);
    blockMaskGradientsInto(layout, data, gradient ?? data, gradients);
    updateBlockMaskScoresInto(criterion, pruner.config.lowMemoryUsage, gradients, scores);
    if (collects) layer.collected = [...layer.collected, gradients];
  });
}

/** Brings a pruner's scores up to date with its layers' weights and gradients. */
export function updateScoresInto(pruner: LivePruner, scratch: PrunerScratch): void {
  const { criterion, scoreReduction, lowMemoryUsage } = pruner.config;
  if (scoresBlockMasks(criterion)) {
    updateFromBlockMasksInto(criterion, pruner, scratch);
    return;
  }
  const rule = { criterion, scoreReduction, lowMemoryUsage };
  pruner.layers.forEach((layer, i) => {
    const { data, gradient } = scratch.records[i];
    const perElement = scoresPerElement(pruner, layer);
    const count = perElement ? data.length : blockCount(layer.layout);
    if (layer.scores?.length !== count) layer.scores = new Float32Array(count);
    const { layout, scores } = layer;
    if (perElement) updateElementScoresInto(rule, data, gradient ?? data, scores, scratch.score);
    else updateBlockScoresInto(rule, layout, data, gradient ?? data, scores, scratch.score);
  });
}
