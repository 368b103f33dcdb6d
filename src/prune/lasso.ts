/**
 * Group lasso, a regulariser that shrinks whole blocks (INC: `regs.py`). INC uses the norm of a block's gradient,
 * although the published method (Yuan and Lin, 2006) uses the norm of its weights.
 */
import { type BlockLayout, forEachElement } from "./pattern.ts";

/** Writes the squared norm of each block. */
function squaredNormsInto(layout: BlockLayout, values: Float32Array, terms: Float32Array): void {
  terms.fill(0);
  forEachElement(layout, (index, block) => {
    const value = values[index];
    terms[block] += value * value;
  });
}

/**
 * `strict`: writes one factor per block, min(1, coefficient / norm of the block's weights). Shrinking by this factor
 * lowers the norm of a block by the coefficient, but not below zero.
 */
export function lassoTermsInto(
  layout: BlockLayout,
  coefficient: number,
  weight: Float32Array,
  terms: Float32Array,
): void {
  squaredNormsInto(layout, weight, terms);
  for (let block = 0; block < terms.length; block++) {
    const norm = Math.sqrt(terms[block]);
    terms[block] = norm > coefficient ? coefficient / norm : 1;
  }
}

/** `inc`: writes one factor per block, coefficient / (norm of the block's gradient + 1e-12). */
export function incLassoTermsInto(
  layout: BlockLayout,
  coefficient: number,
  gradient: Float32Array,
  terms: Float32Array,
): void {
  squaredNormsInto(layout, gradient, terms);
  for (let block = 0; block < terms.length; block++) {
    const norm = Math.fround(Math.sqrt(terms[block]));
    // To divide a number by a tensor, PyTorch multiplies the number by the reciprocal of the tensor.
    const reciprocal = Math.fround(1 / Math.fround(norm + 1e-12));
    const term = Math.fround(reciprocal * Math.fround(coefficient));
    terms[block] = Number.isFinite(term) ? term : 0;
  }
}

/** Shrinks each block in place: weight -= term * weight, with one term per block. */
export function shrinkBlocksInto(
  layout: BlockLayout,
  terms: Float32Array,
  weight: Float32Array,
): void {
  forEachElement(layout, (index, block) => {
    const value = weight[index];
    weight[index] = value - Math.fround(terms[block] * value);
  });
}
