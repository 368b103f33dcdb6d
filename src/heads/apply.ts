/** Applies the masks of heads to weights, gradients and optimizer moments (INC: `mask_mha_weights`). */
import type { PrunedAttention } from "./state.ts";

/**
 * Zeroes the elements that belong to pruned heads: rows of query, key and value, columns of the output layer. Biases stay.
 *
 * @param values the elements of each projection and of the output layer, changed in place.
 */
export function applyHeadMaskInto(
  { heads, mask }: Pick<PrunedAttention, "heads" | "mask">,
  values: readonly (Float32Array | Uint8Array)[],
  outputRows: number,
): void {
  const output = values.length - 1;
  values.forEach((data, i) => {
    const rows = i === output ? outputRows : 1;
    const width = data.length / (rows * heads);
    for (let row = 0; row < rows; row++)
      for (let head = 0; head < heads; head++) {
        const start = (row * heads + head) * width;
        if (mask[head] === 0) data.fill(0, start, start + width);
      }
  });
}
