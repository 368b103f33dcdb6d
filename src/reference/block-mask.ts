/**
 * Scores blocks by the gradients of their mask entries (INC: `BlockMaskCriterion`, `RetrainFreeCriterion`). In the
 * forward pass, the weight is multiplied by a mask with one entry per block. The gradient of an entry is the sum of
 * weight x gradient over its block, in float32. Each row of the block is added from left to right, then the sums of the
 * rows from top to bottom.
 */
import type { BlockCriterion } from "../prune/criteria.ts";
import { ruleOf } from "./criteria.ts";
import type { Layout } from "./layout.ts";
import { linesOf, type Matrix, mapped, matrixOf } from "./matrix.ts";
import { bfloat16, float32Sum } from "./rounding.ts";
import { accumulatedScores } from "./score.ts";

/** Computes the gradient of each block's mask entry. */
export function blockMaskGradients(layout: Layout, weight: Matrix, gradient: Matrix): Matrix {
  return matrixOf(layout.rows, layout.columns, (i, j) => {
    const gradients = linesOf(gradient, layout, i, j);
    const products = linesOf(weight, layout, i, j).map((line, row) =>
      line.map((value, column) => Math.fround(value * gradients[row][column])),
    );
    return float32Sum(products.map(float32Sum));
  });
}

/** Rounds every entry of a matrix to bfloat16. */
export function inBfloat16(matrix: Matrix): Matrix {
  return mapped(matrix, bfloat16);
}

/** Updates the scores of blocks by one step. `gradients` are the gradients of the mask entries at this step. */
export function blockMaskScores(
  criterion: BlockCriterion,
  old: Matrix,
  gradients: Matrix,
  lowMemory: boolean,
): Matrix {
  const seen = lowMemory ? inBfloat16(gradients) : gradients;
  const { decay, score } = ruleOf(criterion);
  const fresh = mapped(seen, (gradient) => score(1, gradient));
  return accumulatedScores(old, fresh, decay ?? 0, lowMemory);
}
