/** Masks as pruning vectors state them. */
import { countZeros } from "../prune/count.ts";
import { type BlockLayout, columnOffset } from "../prune/pattern.ts";
import type { PrunedLayer } from "../prune/state.ts";
import type { PruningCase } from "./pruning-case.ts";

/** A mask with one entry for each block if the blocks have masks, else one for each weight. */
export function statedMask({ drive }: PruningCase, { layout, mask }: PrunedLayer): Uint8Array {
  return drive === "grad" || !layout.divides ? mask : blockEntries(layout, mask);
}

/** The mask's entry at each block's first element, row by row. */
function blockEntries(layout: BlockLayout, mask: Uint8Array): Uint8Array {
  const { blockRows, blockColumns, blockHeight, blockWidth, columns } = layout;
  return Uint8Array.from({ length: blockRows * blockColumns }, (_, block) => {
    const row = Math.floor(block / blockColumns) * blockHeight;
    const column = (block % blockColumns) * blockWidth;
    return mask[row * columns + columnOffset(layout, column)] as number;
  });
}

/** The share of elements that interpolated masks prune. */
export function interpolatedShare(layers: readonly PrunedLayer[]): number {
  const masks = layers.flatMap(({ progressiveMask }) => progressiveMask ?? []);
  const elements = masks.reduce((sum, { length }) => sum + length, 0);
  return masks.reduce((sum, mask) => sum + countZeros(mask), 0) / elements;
}
