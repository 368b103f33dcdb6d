/**
 * Reduces the scores of a block's elements to one number (INC: `reduce_score`, `reduce_tensor`): over the width of the
 * block first, then over its height, in float32 and with additions in PyTorch's order.
 */
import { sumColumn, sumNeighbours } from "./accumulate.ts";
import type { ScoreReduction } from "./config.ts";
import { type BlockLayout, columnOffset } from "./pattern.ts";

/** Working memory for one row of blocks. */
export interface ScoreScratch {
  /** Element scores in the weight's own order. */
  elements: Float32Array;
  /** Element scores in matrix order: by kernel position, then by input channel. */
  rows: Float32Array;
  /** Scores reduced over the width of each block. */
  narrowed: Float32Array;
  /** One score for each block in the row. */
  line: Float32Array;
}

/** Creates empty working memory, which later grows to the largest row of blocks. */
export function createScoreScratch(): ScoreScratch {
  const empty = new Float32Array(0);
  return { elements: empty, rows: empty, narrowed: empty, line: empty };
}

/** Ensures room for a row of blocks with `rowElements` elements. */
export function reserveScores(scratch: ScoreScratch, rowElements: number): void {
  if (scratch.elements.length >= rowElements) return;
  scratch.elements = new Float32Array(rowElements);
  scratch.rows = new Float32Array(rowElements);
  scratch.narrowed = new Float32Array(rowElements);
  scratch.line = new Float32Array(rowElements);
}

/** Copies one row of blocks from the weight's own order to matrix order. `out` must not alias `elements`. */
export function toMatrixOrderInto(
  layout: BlockLayout,
  elements: Float32Array,
  start: number,
  out: Float32Array,
): void {
  for (let row = 0; row < layout.blockHeight; row++) {
    const base = row * layout.columns;
    for (let column = 0; column < layout.columns; column++)
      out[base + column] = elements[start + base + columnOffset(layout, column)];
  }
}

function largest(values: Float32Array, start: number, stride: number, count: number): number {
  let maximum = values[start];
  for (let i = 1; i < count; i++) maximum = Math.max(maximum, values[start + i * stride]);
  return maximum;
}

/** Reduces `count` consecutive values to one number, in float32. */
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

/** Reduces each column of a row-major [height, width] matrix to one number. `out` must not alias `values`. */
export function reduceColumnsInto(
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
    const sum = sumColumn(values, width, height, column);
    out[column] = reduction === "mean" ? sum / height : sum;
  }
}

/**
 * Reduces one row of blocks in matrix order to one score per block. The first `blockColumns` entries of the returned
 * array are the result. The array is `rows` itself or belongs to the working memory.
 */
export function reduceBlockRow(
  layout: BlockLayout,
  reduction: ScoreReduction,
  rows: Float32Array,
  { narrowed, line }: ScoreScratch,
): Float32Array {
  const { blockHeight: height, blockWidth: width, blockColumns } = layout;
  if (width > 1)
    for (let i = 0; i < height * blockColumns; i++)
      narrowed[i] = reduceNeighbours(reduction, rows, i * width, width);
  const lines = width > 1 ? narrowed : rows;
  if (height === 1) return lines;
  reduceColumnsInto(reduction, lines, height, blockColumns, line);
  return line;
}

/**
 * Reduces elements in the weight's own order to one value per block, in row-major order. The elements are scores, or
 * weights in the case of pattern lock.
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
    toMatrixOrderInto(layout, elements, blockRow * count, scratch.rows);
    const line = reduceBlockRow(layout, reduction, scratch.rows, scratch);
    reduced.set(line.subarray(0, layout.blockColumns), blockRow * layout.blockColumns);
  }
  return reduced;
}
