/**
 * Scores: how much each element matters (INC: `criteria.py`) and how a block's elements become one
 * number (`reduce_score`, `reduce_tensor`). All arithmetic is float32, as PyTorch's.
 */
import type { PruningKernels } from "../core/pruning-kernels.ts";
import { roundToBfloat16, sumColumn, sumNeighbours } from "./accumulate.ts";
import type { PrunerConfig, ScoreReduction } from "./config.ts";
import { CRITERIA, type ElementCriterion, type ElementRule } from "./criteria.ts";
import { type BlockLayout, columnOffset } from "./pattern.ts";
import { plainKernels } from "./plain-kernels.ts";

/** The part of a configuration that scores depend on. */
export interface ScoreRule extends Pick<PrunerConfig, "scoreReduction" | "lowMemoryUsage"> {
  readonly criterion: ElementCriterion;
}

/** Working memory for the scores of one row of blocks, and the loops that need none. */
export interface ScoreScratch {
  readonly kernels: PruningKernels;
  /** Element scores in the weight's own order. */
  elements: Float32Array;
  /** The same in matrix order (kernel positions first). */
  rows: Float32Array;
  /** Scores reduced over the blocks' width. */
  narrowed: Float32Array;
  /** One score per block of the row. */
  line: Float32Array;
}

/** Makes working memory; it grows to the widest row of blocks met and is then reused. */
export function createScoreScratch(kernels: PruningKernels = plainKernels): ScoreScratch {
  const empty = new Float32Array(0);
  return { kernels, elements: empty, rows: empty, narrowed: empty, line: empty };
}

/** Makes the scratch large enough for `rowElements` elements at a time. */
function reserveScores(scratch: ScoreScratch, rowElements: number): void {
  if (scratch.elements.length >= rowElements) return;
  scratch.elements = new Float32Array(rowElements);
  scratch.rows = new Float32Array(rowElements);
  scratch.narrowed = new Float32Array(rowElements);
  scratch.line = new Float32Array(rowElements);
}

/** Copies rows from the weight's own order into matrix order. `out` may not alias `elements`. */
function toMatrixOrderInto(
  layout: BlockLayout,
  elements: ArrayLike<number>,
  start: number,
  rowCount: number,
  out: Float32Array,
): void {
  for (let row = 0; row < rowCount; row++) {
    const base = row * layout.columns;
    for (let column = 0; column < layout.columns; column++)
      out[base + column] = elements[start + base + columnOffset(layout, column)] as number;
  }
}

function largest(values: Float32Array, start: number, stride: number, count: number): number {
  let maximum = values[start] as number;
  for (let i = 1; i < count; i++) maximum = Math.max(maximum, values[start + i * stride] as number);
  return maximum;
}

/** Reduces `count` neighbours to one number, in float32. */
export function reduceNeighbours(
  reduction: ScoreReduction,
  values: Float32Array,
  start: number,
  count: number,
): number {
  if (reduction === "max") return largest(values, start, 1, count);
  const sum = sumNeighbours(values, start, count);
  return reduction === "mean" ? Math.fround(sum / count) : sum;
}

/** Reduces each column of a [height, width] matrix to one number. `out` may not alias `values`. */
function reduceColumnsInto(
  reduction: ScoreReduction,
  values: Float32Array,
  height: number,
  width: number,
  out: Float32Array,
): void {
  for (let column = 0; column < width; column++) {
    if (reduction === "max") {
      out[column] = largest(values, column, width, height);
      continue;
    }
    const sum = sumColumn(values, 0, width, height, column);
    out[column] = reduction === "mean" ? sum / height : sum;
  }
}

/**
 * Reduces one row of blocks, given in matrix order, to one score per block: over the width first, then
 * over the height. The result lies in the returned array's first `blockColumns` entries.
 */
function reduceBlockRow(
  layout: BlockLayout,
  reduction: ScoreReduction,
  rows: Float32Array,
  scratch: ScoreScratch,
): Float32Array {
  const { blockHeight: height, blockWidth: width, blockColumns } = layout;
  let narrowed = rows;
  if (width > 1) {
    narrowed = scratch.narrowed;
    for (let i = 0; i < height * blockColumns; i++)
      narrowed[i] = reduceNeighbours(reduction, rows, i * width, width);
  }
  if (height === 1) return narrowed;
  reduceColumnsInto(reduction, narrowed, height, blockColumns, scratch.line);
  return scratch.line;
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
    for (let i = 0; i < count; i++) scores[start + i] = fresh[i] as number;
  } else if (lowMemory) {
    const factor = roundToBfloat16(decay);
    for (let i = 0; i < count; i++) {
      const kept = roundToBfloat16((scores[start + i] as number) * factor);
      scores[start + i] = roundToBfloat16(kept + roundToBfloat16(fresh[i] as number));
    }
  } else {
    const factor = Math.fround(decay);
    for (let i = 0; i < count; i++)
      scores[start + i] =
        Math.fround((scores[start + i] as number) * factor) + (fresh[i] as number);
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
export function updateBlockScoresInto(
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
export function updateElementScoresInto(
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

/**
 * Block values of given element values, signs kept (INC: `reduce_score`): scores, or weights for a
 * pattern lock.
 *
 * @param elements element values in the weight's own order.
 * @returns `blockRows * blockColumns` values, row by row.
 */
export function reduceBlocks(
  layout: BlockLayout,
  reduction: ScoreReduction,
  elements: Float32Array,
): Float32Array {
  const reduced = new Float32Array(layout.blockRows * layout.blockColumns);
  const scratch = createScoreScratch();
  const count = layout.blockHeight * layout.columns;
  reserveScores(scratch, count);
  for (let blockRow = 0; blockRow < layout.blockRows; blockRow++) {
    toMatrixOrderInto(layout, elements, blockRow * count, layout.blockHeight, scratch.rows);
    const line = reduceBlockRow(layout, reduction, scratch.rows, scratch);
    reduced.set(line.subarray(0, layout.blockColumns), blockRow * layout.blockColumns);
  }
  return reduced;
}
