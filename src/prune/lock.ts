/**
 * Pattern lock: masks from the zeros that a weight already has (INC: `get_pattern_lock_masks`). A layer that the
 * pattern does not divide keeps all elements.
 */
import { incKeptLimit, keptLimit } from "./count.ts";
import { type BlockLayout, blockCount, forEachElement, type Pattern } from "./pattern.ts";
import { reduceBlocks } from "./reduce.ts";

/** Number of nonzero weights in each block or group. */
function countNonzeros(layout: BlockLayout, weight: Float32Array): Float32Array {
  const counts = new Float32Array(blockCount(layout));
  forEachElement(layout, (index, block) => {
    if (weight[index] !== 0) counts[block]++;
  });
  return counts;
}

/** Writes 0 for each element for which `locks` holds, else 1. */
function writeLockInto(
  layout: BlockLayout,
  mask: Uint8Array,
  locks: (index: number, block: number) => boolean,
): void {
  mask.fill(1);
  if (!layout.divides) return;
  forEachElement(layout, (index, block) => {
    if (locks(index, block)) mask[index] = 0;
  });
}

/** Locks blocks of zeros, and the zeros of groups that have at least N of them. */
export function lockMaskInto(
  pattern: Pattern,
  layout: BlockLayout,
  weight: Float32Array,
  mask: Uint8Array,
): void {
  const limit = keptLimit(pattern);
  const nonzeros = countNonzeros(layout, weight);
  writeLockInto(layout, mask, (index, block) => weight[index] === 0 && nonzeros[block] <= limit);
}

/** INC locks a block whose weights have the sum 0, even if they cancel, and a whole group with at most N nonzeros. */
export function incLockMaskInto(
  pattern: Pattern,
  layout: BlockLayout,
  weight: Float32Array,
  mask: Uint8Array,
): void {
  const isGroup = pattern.kind === "group";
  const limit = incKeptLimit(pattern);
  const values = isGroup ? countNonzeros(layout, weight) : reduceBlocks(layout, "sum", weight);
  writeLockInto(layout, mask, (_, block) =>
    isGroup ? values[block] <= limit : values[block] === 0,
  );
}
