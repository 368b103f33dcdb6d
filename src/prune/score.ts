/** Computes and stores scores in float32, by the formulas in the table of criteria (INC: `criteria.py`). */
import { roundToBfloat16 } from "./accumulate.ts";
import { blockMaskGradientsInto, updateBlockMaskScoresInto } from "./block-mask.ts";
import type { PrunerConfig } from "./config.ts";
import {
  type BlockCriterion,
  CRITERIA,
  type ElementRule,
  rearrangesMasks,
  scoresBlockMasks,
} from "./criteria.ts";
import { type BlockLayout, blockCount } from "./pattern.ts";
import { reduceBlockRow, reserveScores, toMatrixOrderInto } from "./reduce.ts";
import { type PrunerScratch, reserveMaskGradients } from "./scratch.ts";
import type { LivePruner, PrunedLayer, PrunerState } from "./state.ts";

/**
 * Merges `count` fresh scores into the stored scores from index `start`: scores = decay * scores + fresh, rounded to
 * bfloat16 with `lowMemory`, or scores = fresh if `decay` is null.
 */
export function mergeInto(
  decay: number | null,
  lowMemory: boolean,
  fresh: Float32Array,
  count: number,
  start: number,
  scores: Float32Array,
): void {
  if (decay === null) for (let i = 0; i < count; i++) scores[start + i] = fresh[i];
  else if (lowMemory) {
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

/** The largest block height at which all of PyTorch's kernels add the elements of a block in the same order. */
const LOW = 4;

/** Whether `PruningKernels.updateScoresInto` can compute these block scores: sums or means over short columns. */
function isFusible(
  { decay, loop }: ElementRule,
  { scoreReduction, lowMemoryUsage }: PrunerConfig,
  { blockHeight, blockWidth, positions }: BlockLayout,
): boolean {
  if (loop === null || (decay !== null && lowMemoryUsage)) return false;
  if (blockWidth > 1 || blockHeight > LOW || positions > 1) return false;
  return blockHeight === 1 || scoreReduction !== "max";
}

/**
 * Writes the scores of `count` elements from index `start`. Products, the usual case, are computed without a function
 * call per element.
 */
export function elementScoresInto(
  { loop, score }: ElementRule,
  weight: Float32Array,
  gradient: Float32Array,
  start: number,
  count: number,
  out: Float32Array,
): void {
  if (loop === "product")
    for (let i = 0; i < count; i++) out[i] = Math.abs(weight[start + i] * gradient[start + i]);
  else for (let i = 0; i < count; i++) out[i] = score(weight[start + i], gradient[start + i]);
}

/** Updates one score per block from the weight and its gradient. The magnitude criterion does not read the gradient. */
function updateBlockScoresInto(
  criterion: ElementRule,
  config: PrunerConfig,
  layout: BlockLayout,
  weight: Float32Array,
  gradient: Float32Array,
  scores: Float32Array,
  { score: scratch, selection: { kernels } }: PrunerScratch,
): void {
  const { blockHeight: height, columns, blockColumns, positions } = layout;
  const { scoreReduction, lowMemoryUsage } = config;
  const { loop, decay } = criterion;
  if (isFusible(criterion, config, layout)) {
    const values = loop === "gradient" ? gradient : weight;
    const factors = loop === "product" ? gradient : null;
    const divisor = scoreReduction === "mean" ? height : 1;
    const momentum = decay === null ? 0 : Math.fround(decay);
    kernels.updateScoresInto(values, factors, height, columns, divisor, momentum, scores);
    return;
  }
  const count = height * columns;
  reserveScores(scratch, count);
  const { elements, rows } = scratch;
  for (let blockRow = 0; blockRow < layout.blockRows; blockRow++) {
    elementScoresInto(criterion, weight, gradient, blockRow * count, count, elements);
    if (positions > 1) toMatrixOrderInto(layout, elements, 0, rows);
    const ordered = positions > 1 ? rows : elements;
    const reduced = reduceBlockRow(layout, scoreReduction, ordered, scratch);
    mergeInto(decay, lowMemoryUsage, reduced, blockColumns, blockRow * blockColumns, scores);
  }
}

/**
 * The layout of a layer's scores. If there is one score per element, each element counts as a block, in the weight's
 * own order.
 */
function scoredLayout({ config }: PrunerState, { layout, frozen }: PrunedLayer): BlockLayout {
  const frozenForGood = frozen && CRITERIA[config.criterion].decay === null;
  if (config.pattern.kind === "block" && layout.divides && !frozenForGood) return layout;
  const { rows, columns } = layout;
  const single = { blockHeight: 1, blockWidth: 1, blockRows: rows, blockColumns: columns };
  return { ...layout, ...single, positions: 1, divides: true };
}

/**
 * Updates the scores from the gradients of block masks, and collects these gradients if the criterion rearranges masks.
 */
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

/** Updates the scores of all layers of a pruner from their weights and gradients. */
export function updateScoresInto(pruner: LivePruner, scratch: PrunerScratch): void {
  const { config } = pruner;
  if (scoresBlockMasks(config.criterion)) {
    updateFromBlockMasksInto(config.criterion, pruner, scratch);
    return;
  }
  const rule = CRITERIA[config.criterion];
  pruner.layers.forEach((layer, i) => {
    const { data, gradient } = scratch.records[i];
    const layout = scoredLayout(pruner, layer);
    const count = blockCount(layout);
    if (layer.scores?.length !== count) layer.scores = new Float32Array(count);
    const { scores } = layer;
    updateBlockScoresInto(rule, config, layout, data, gradient ?? data, scores, scratch);
  });
}
