/**
 * Pattern lock: computes masks from the zeros that a weight already contains (INC: `get_pattern_lock_masks`). In a
 * layer that does not divide evenly into blocks, all elements are kept.
 */
import { incKeptLimit, keptLimit } from "./count.ts";
import { type BlockLayout, blockCount, forEachElement, type Pattern } from "./pattern.ts";
import { reduceBlocks } from "./reduce.ts";

/** Counts the nonzero weights in each block or group. */
function countNonzeros(layout: BlockLayout, weight: Float32Array): Float32Array {
  const counts = new Float32Array(blockCount(layout));
  forEachElement(layout, (index, block) => {
    if (weight[index] !== 0) counts[block]++;
  });
  return counts;
}

/** Writes 0 for each element for which `locks` returns true, and 1 for all others. */
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

/** Prunes the blocks that consist only of zeros, and the zeros in N:M groups with at least N zeros. */
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

/**
 * Prunes what INC locks: every block whose weights sum to 0, even if nonzero weights merely cancel each other out, and
 * all elements of an N:M group with at most N nonzero weights.
 */
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
