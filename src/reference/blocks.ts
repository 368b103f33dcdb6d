/** Blocks of height x width elements. */
import { assigns, sum, sup } from "ndarray-ops";
import type { ScoreReduction } from "../prune/config.ts";
import { asNdarray, type MaskMatrix, type Matrix, maskOfZeros, zeros } from "./matrix.ts";

/** One score per block: the mean, sum or maximum of its elements. */
export function blockScores(
  scores: Matrix,
  height: number,
  width: number,
  reduction: ScoreReduction,
): Matrix {
  const [rows = 0, columns = 0] = scores.shape;
  const reduced = zeros(rows / height, columns / width);
  for (let i = 0; i < rows / height; i++) {
    for (let j = 0; j < columns / width; j++) {
      const block = asNdarray(scores)
        .lo(i * height, j * width)
        .hi(height, width);
      const total = reduction === "max" ? sup(block) : sum(block);
      reduced.set(i, j, reduction === "mean" ? total / (height * width) : total);
    }
  }
  return reduced;
}

/** A mask of elements from a mask of blocks. */
export function expandBlocks(blocks: MaskMatrix, height: number, width: number): MaskMatrix {
  const [rows = 0, columns = 0] = blocks.shape;
  const mask = maskOfZeros(rows * height, columns * width);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++)
      assigns(mask.lo(i * height, j * width).hi(height, width), asNdarray(blocks).get(i, j));
  return mask;
}
