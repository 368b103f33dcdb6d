/**
 * Blocks of height x width elements: each is kept or pruned whole, by one score (INC:
 * `PytorchPatternNxM.reduce_score`, `reduce_tensor`). The elements are reduced over the block's width first,
 * then over its height, each time rounded to float32: a mean of means.
 */
import { assigns } from "ndarray-ops";
import type { ScoreReduction } from "../prune/config.ts";
import { asNdarray, elements, type MaskMatrix, type Matrix, maskOfZeros, zeros } from "./matrix.ts";
import { float32Sum } from "./rounding.ts";

/** The mean, sum or maximum of some values, in float32. */
export function reduced(values: readonly number[], reduction: ScoreReduction): number {
  if (reduction === "max") return Math.max(...values);
  const sum = float32Sum(values);
  return reduction === "mean" ? Math.fround(sum / values.length) : sum;
}

/** One score per block: the mean, sum or maximum of its elements. */
export function blockScores(
  scores: Matrix,
  height: number,
  width: number,
  reduction: ScoreReduction,
): Matrix {
  const [rows = 0, columns = 0] = scores.shape;
  const blocks = zeros(rows / height, columns / width);
  for (let i = 0; i < rows / height; i++) {
    for (let j = 0; j < columns / width; j++) {
      const lines = Array.from({ length: height }, (_, line) =>
        elements(
          asNdarray(scores)
            .lo(i * height + line, j * width)
            .hi(1, width),
        ),
      );
      const narrowed = lines.map((line) => reduced(line, reduction));
      blocks.set(i, j, reduced(narrowed, reduction));
    }
  }
  return blocks;
}

/** A matrix of elements from one of blocks: each takes its block's value. */
export function expandBlocks(blocks: MaskMatrix, height: number, width: number): MaskMatrix {
  const [rows = 0, columns = 0] = blocks.shape;
  const mask = maskOfZeros(rows * height, columns * width);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++)
      assigns(mask.lo(i * height, j * width).hi(height, width), asNdarray(blocks).get(i, j));
  return mask;
}
