/**
 * Criteria that score blocks by the gradients of their masks: the layer computes with weight x mask, one mask
 * entry per block, and the gradient of an entry says how much the block matters (INC: `BlockMaskCriterion`,
 * `RetrainFreeCriterion`, `register_block_masks`).
 */
import { roundToBfloat16 } from "./accumulate.ts";
import { type BlockCriterion, CRITERIA } from "./criteria.ts";
import { type BlockLayout, blockCount, columnOffset } from "./pattern.ts";

/**
 * Writes the gradient of each block's mask: the sum of weight x gradient over the block, in float32, each row
 * from left to right and then the rows from top to bottom, as PyTorch's `index_add` does.
 *
 * @param gradient of the weight that the layer computed with, weight x mask.
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

/**
 * The gradients of a layer's block masks, one for each block, row by row; none if the pattern does not divide it.
 *
 * @param gradient of the weight that the layer computed with, in the weight's layout.
 */
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
 * Adds a step's scores to the decayed earlier ones.
 *
 * @param gradients of the block masks; with `lowMemory` rounded to bfloat16 in place.
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
