/**
 * Blocks of height x width elements. A block has one score, and is kept or pruned as a whole (INC:
 * `PytorchPatternNxM.reduce_score`, `reduce_tensor`). The scores of its elements are reduced over the width of the
 * block, then over its height, and rounded to float32 each time, so a mean is a mean of means.
 */
import type { ScoreReduction } from "../prune/config.ts";
import { at, linesOf, type MaskMatrix, type Matrix, maskOf, matrixOf } from "./matrix.ts";
import { float32Sum } from "./rounding.ts";

/** The mean, sum or maximum of values, in float32. */
export function reduced(values: readonly number[], reduction: ScoreReduction): number {
  if (reduction === "max") return values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const sum = float32Sum(values);
  return reduction === "mean" ? Math.fround(sum / values.length) : sum;
}

/** Computes one score per block: the mean, sum or maximum of the scores of its elements. */
export function blockScores(
  scores: Matrix,
  height: number,
  width: number,
  reduction: ScoreReduction,
): Matrix {
  const [rows, columns] = scores.shape;
  return matrixOf(rows / height, columns / width, (i, j) => {
    const lines = linesOf(scores, { height, width }, i, j);
    return reduced(
      lines.map((line) => reduced(line, reduction)),
      reduction,
    );
  });
}

/** Expands a mask with one entry per block to a mask with one entry per element. */
export function expandBlocks(blocks: MaskMatrix, height: number, width: number): MaskMatrix {
  const [rows, columns] = blocks.shape;
  return maskOf(
    rows * height,
    columns * width,
    (row, column) => at(blocks, Math.floor(row / height), Math.floor(column / width)) === 1,
  );
}
