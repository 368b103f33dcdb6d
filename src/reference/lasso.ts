/**
 * Group lasso (INC: `GroupLasso` in `regs.py`). After the optimizer step, each block of a weight shrinks by the share
 * coefficient / norm. INC uses the norm of the block's gradient plus 1e-12. The published method (Yuan and Lin, "Model
 * selection and estimation in regression with grouped variables", 2006) uses the norm of the block's weights, and so
 * does `strict`, which caps the share at 1. To divide a number by a tensor, PyTorch multiplies the number by the
 * reciprocal of the tensor, in float32.
 */
import type { Layout } from "./layout.ts";
import { at, linesOf, type Matrix, mapped, matrixOf } from "./matrix.ts";

/**
 * `strict`: computes the share by which each block shrinks, from its weights. Squares are added in float32, row by row.
 */
export function exactLassoTerms(layout: Layout, coefficient: number, weight: Matrix): Matrix {
  return matrixOf(layout.rows, layout.columns, (i, j) => {
    const values = linesOf(weight, layout, i, j).flat();
    const norm = Math.sqrt(values.reduce((sum, value) => Math.fround(sum + value ** 2), 0));
    return norm > coefficient ? coefficient / norm : 1;
  });
}

/** `inc`: computes the share by which each block shrinks, from its gradient. */
export function lassoTerms(layout: Layout, coefficient: number, gradient: Matrix): Matrix {
  return matrixOf(layout.rows, layout.columns, (i, j) => {
    const values = linesOf(gradient, layout, i, j).flat();
    const norm = Math.fround(Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0)));
    const reciprocal = Math.fround(1 / Math.fround(norm + 1e-12));
    const term = Math.fround(reciprocal * Math.fround(coefficient));
    return Number.isFinite(term) ? term : 0;
  });
}

/** Computes weight - term * weight, with both operations rounded to float32. */
export function shrunkWeight({ height, width }: Layout, terms: Matrix, weight: Matrix): Matrix {
  const [, columns] = weight.shape;
  return mapped(weight, (value, index) => {
    const [row, column] = [Math.floor(index / columns), index % columns];
    const term = at(terms, Math.floor(row / height), Math.floor(column / width));
    return value - Math.fround(term * value);
  });
}
