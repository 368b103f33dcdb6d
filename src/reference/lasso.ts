/**
 * Group lasso (INC: `GroupLasso` of `regs.py`): after the optimizer's step each block of a weight shrinks by
 * coefficient / norm of itself. INC takes the norm of the block's GRADIENT, and adds 1e-12, where the method (Yuan and
 * Lin, "Model selection and estimation in regression with grouped variables", 2006) means that of its weights, as
 * `strict` does; there no block shrinks by more than itself. PyTorch divides a number by a tensor as the number times
 * the tensor's reciprocal, in float32.
 */
import { norm2 } from "ndarray-ops";
import type { Layout } from "./layout.ts";
import { asNdarray, type Matrix, zeros } from "./matrix.ts";

/** `strict`: the share by which each block shrinks. Squares add up in float32, row by row. */
export function exactLassoTerms(
  { height, width, rows, columns }: Layout,
  coefficient: number,
  weight: Matrix,
): Matrix {
  const terms = zeros(rows, columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      let squares = 0;
      for (let row = i * height; row < (i + 1) * height; row++)
        for (let column = j * width; column < (j + 1) * width; column++)
          squares = Math.fround(squares + asNdarray(weight).get(row, column) ** 2);
      const norm = Math.sqrt(squares);
      terms.set(i, j, norm > coefficient ? coefficient / norm : 1);
    }
  }
  return terms;
}

/** `inc`: the share by which each block shrinks. */
export function lassoTerms(
  { height, width, rows, columns }: Layout,
  coefficient: number,
  gradient: Matrix,
): Matrix {
  const terms = zeros(rows, columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const block = asNdarray(gradient)
        .lo(i * height, j * width)
        .hi(height, width);
      const norm = Math.fround(norm2(block));
      const reciprocal = Math.fround(1 / Math.fround(norm + 1e-12));
      const term = Math.fround(reciprocal * Math.fround(coefficient));
      terms.set(i, j, Number.isFinite(term) ? term : 0);
    }
  }
  return terms;
}

/** weight - term * weight, both operations rounded to float32. */
export function shrunkWeight({ height, width }: Layout, terms: Matrix, weight: Matrix): Matrix {
  const [rows = 0, columns = 0] = weight.shape;
  const shrunk = zeros(rows, columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const term = asNdarray(terms).get(Math.floor(row / height), Math.floor(column / width));
      const value = asNdarray(weight).get(row, column);
      shrunk.set(row, column, value - Math.fround(term * value));
    }
  }
  return shrunk;
}
