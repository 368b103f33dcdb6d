/** Applies masks to weights, gradients and optimizer moments. */
import { checkFloat32Array, checkKind, isTypedArray, mismatch } from "../core/checks.ts";
import { hasWholeRowsOfBlocks } from "./count.ts";
import type { PrunerScratch } from "./scratch.ts";
import type { PrunerState } from "./state.ts";

/**
 * Sets every element whose mask entry is 0 to zero, and leaves all other elements unchanged.
 *
 * @param values a weight, a gradient or an optimizer moment, changed in place.
 * @throws TypeError or RangeError if `values` is not a Float32Array of the mask's length.
 */
export function applyMaskInto(mask: Uint8Array, values: Float32Array): void {
  checkKind(isTypedArray(mask, "Uint8Array"), "mask", "a Uint8Array", mask);
  checkFloat32Array("values", values);
  if (mask.length !== values.length)
    throw new RangeError(mismatch("values", `${mask.length} elements as in mask`, values.length));
  for (let i = 0; i < mask.length; i++) if (mask[i] === 0) values[i] = 0;
}

/**
 * Zeroes the pruned weights of all layers. Applies a layer's interpolated mask if there is one, unless `full` is true;
 * otherwise applies its full mask. If a full mask keeps or prunes every block as a whole, the rows of a block are
 * equal, so the kernel reads only the first.
 */
export function applyMasksInto(
  { config, layers }: PrunerState,
  { records, selection: { kernels } }: PrunerScratch,
  full: boolean,
): void {
  layers.forEach(({ layout, mask, progressiveMask }, i) => {
    const applied = full ? mask : (progressiveMask ?? mask);
    const { data } = records[i];
    if (applied === mask && hasWholeRowsOfBlocks(config.pattern, layout))
      kernels.applyMaskInto(mask, layout.blockHeight, layout.columns, data);
    else kernels.applyMaskInto(applied, 1, applied.length, data);
  });
}
