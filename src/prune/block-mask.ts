/**
 * Criteria that score blocks by the gradients of their mask entries. In the forward pass, the weight is multiplied by a
 * mask with one entry per block. The gradient of an entry measures the importance of its block (INC:
 * `BlockMaskCriterion`, `RetrainFreeCriterion`, `register_block_masks`).
 */
import { roundToBfloat16 } from "./accumulate.ts";
import { type BlockCriterion, CRITERIA } from "./criteria.ts";
import { type BlockLayout, blockCount, columnOffset } from "./pattern.ts";

/**
 * Writes the gradient of each block's mask entry: the sum of weight x gradient over the block, in float32. Each row of
 * the block is added from left to right, then the sums of the rows from top to bottom, as in PyTorch's `index_add`.
 *
 * @param gradient the gradient with respect to the product weight x mask.
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
 * Allocating form of {@link blockMaskGradientsInto}. Returns one gradient per block in row-major order, or an empty
 * array if the layer does not divide evenly into blocks.
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
 * Updates the block scores at one step: multiplies the earlier scores by the criterion's decay, and adds the scores of
 * this step.
 *
 * @param gradients the gradients of the mask entries. With `lowMemory`, they are rounded to bfloat16 in place.
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
