/**
 * Scores from the gradients of block masks (INC: `BlockMaskCriterion`, `RetrainFreeCriterion`). The layer computes
 * with weight x mask, one mask entry for each block, so the gradient of an entry is the sum of weight x gradient over
 * its block: each row from left to right, then the rows from top to bottom, in float32.
 */
import type { BlockCriterion } from "../prune/criteria.ts";
import { ruleOf } from "./criteria.ts";
import type { Layout } from "./layout.ts";
import { asNdarray, elements, type Matrix, zeros } from "./matrix.ts";
import { bfloat16, float32Sum } from "./rounding.ts";
import { accumulatedScores } from "./score.ts";

/** The gradient of each block's mask entry. */
export function blockMaskGradients(
  { height, width, rows, columns }: Layout,
  weight: Matrix,
  gradient: Matrix,
): Matrix {
  const sums = zeros(rows, columns);
  const product = (row: number, column: number): number =>
    Math.fround(asNdarray(weight).get(row, column) * asNdarray(gradient).get(row, column));
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const lines = Array.from({ length: height }, (_, row) =>
        float32Sum(
          Array.from({ length: width }, (_, column) =>
            product(i * height + row, j * width + column),
          ),
        ),
      );
      sums.set(i, j, float32Sum(lines));
    }
  }
  return sums;
}

/** A matrix with every entry rounded to bfloat16. */
export function inBfloat16(matrix: Matrix): Matrix {
  const [rows = 0, columns = 0] = matrix.shape;
  const rounded = zeros(rows, columns);
  rounded.data.set(elements(matrix).map(bfloat16));
  return rounded;
}

/** The scores after one more step. */
export function blockMaskScores(
  criterion: BlockCriterion,
  old: Matrix,
  gradients: Matrix,
  lowMemory: boolean,
): Matrix {
  const seen = lowMemory ? inBfloat16(gradients) : gradients;
  const { decay, score } = ruleOf(criterion);
  const [rows = 0, columns = 0] = old.shape;
  const fresh = zeros(rows, columns);
  fresh.data.set(elements(seen).map((gradient) => score(1, gradient)));
  return accumulatedScores(old, fresh, Number(decay), lowMemory);
}
