/**
 * Criteria that score blocks by the gradients of their masks: the layer computes with weight x mask, one mask
 * entry per block, and the loss says how much each entry matters (INC: `BlockMaskCriterion`,
 * `RetrainFreeCriterion`, `register_block_masks`).
 */
import { roundToBfloat16 } from "./accumulate.ts";
import { type BlockCriterion, CRITERIA } from "./criteria.ts";
import type { LayerRecord } from "./layer.ts";
import { type BlockLayout, blockCount, columnOffset } from "./pattern.ts";

/** INC gives linear layers alone a block mask; under `strict` all have one that the pattern divides. */
export function hasBlockMask(
  { kind }: Pick<LayerRecord, "kind">,
  layout: BlockLayout,
  strict: boolean,
): boolean {
  return layout.divides && (strict || kind === "linear");
}

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
        sum = Math.fround(sum + Math.fround((weight[at] as number) * (gradient[at] as number)));
      }
      out[base + block] = (out[base + block] as number) + sum;
    }
  }
}

/**
 * The gradients of a layer's block masks, one for each block, row by row: what `block_mask` and `retrain_free`
 * score by.
 *
 * @param gradient of the weight that the layer computed with, in the weight's layout.
 *
 * @example
 * ```ts
 * import { blockMaskGradients, layOut, parsePattern } from "espalier";
 *
 * const pattern = parsePattern("2x1");
 * if (pattern === undefined) throw new Error();
 * const gradients = blockMaskGradients(
 *   layOut(pattern, { shape: [2, 2] }),
 *   Float32Array.of(1, 2, 3, 4),
 *   Float32Array.of(1, 0, 1, -1),
 * );
 * if (gradients.join() !== "4,-4") throw new Error("expected 1 x 1 + 3 x 1 and 2 x 0 - 4 x 1");
 * ```
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
 * @param gradients with `lowMemory` rounded to bfloat16 in place.
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
    const gradient = round(gradients[i] as number);
    gradients[i] = gradient;
    scores[i] = round(round((scores[i] as number) * decay) + round(rule.score(gradient)));
  }
}
