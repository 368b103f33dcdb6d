/**
 * Criteria that score blocks by the gradients of their masks. The layer computes with weight x mask, with one mask
 * entry per block. The gradient of an entry measures the importance of the block (INC: `BlockMaskCriterion`,
 * `RetrainFreeCriterion`, `register_block_masks`).
 */
import { roundToBfloat16 } from "./accumulate.ts";
import { type BlockCriterion, CRITERIA } from "./criteria.ts";
import { type BlockLayout, blockCount, columnOffset } from "./pattern.ts";

/**
 * Writes the gradient of each block's mask entry: the sum of weight x gradient over the block, in float32. Each row is
 * added from left to right, then the rows from top to bottom, as in PyTorch's `index_add`.
 *
 * @param gradient the gradient of weight x mask.
 */
export function blockMaskGradientsInto(
  layout: BlockLayout,
  weight: Float32Array,
  gradient: Float32Array,
  out: Float32Array,
): void {
  const { rows, columns, blockHeight, blockWidth, blockColumns } = layout;
  out.fill(0);
  for (let row = 0; row < rows; row++) {
    const base = Math.floor(row / blockHeight) * blockColumns;
    for (let block = 0, column = 0; block < blockColumns; block++) {
      let sum = 0;
      for (let j = 0; j < blockWidth; j++, column++) {
        const at = row * columns + columnOffset(layout, column);
        sum = Math.fround(sum + Math.fround(weight[at] * gradient[at]));
      }
      out[base + block] += sum;
    }
  }
}

/** {@link blockMaskGradientsInto} with a new array, row by row. Empty if the pattern does not divide the layer. */
export function blockMaskGradients(
  layout: BlockLayout,
  weight: Float32Array,
  gradient: Float32Array,
): Float32Array {
  const out = new Float32Array(blockCount(layout));
  if (out.length > 0) blockMaskGradientsInto(layout, weight, gradient, out);
  return out;
}

/**
 * Adds a step's scores to the decayed earlier scores.
 *
 * @param gradients the gradients of the mask entries. With `lowMemory` they are rounded to bfloat16 in place.
 */
export function updateBlockMaskScoresInto(
  criterion: BlockCriterion,
  lowMemory: boolean,
  gradients: Float32Array,
  scores: Float32Array,
): void {
  const rule = CRITERIA[criterion];
  const round = lowMemory ? roundToBfloat16 : Math.fround;
  const decay = round(rule.decay);
  for (let i = 0; i < gradients.length; i++) {
    const gradient = round(gradients[i]);
    gradients[i] = gradient;
    scores[i] = round(round(scores[i] * decay) + round(rule.score(gradient)));
  }
}
