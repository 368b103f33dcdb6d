/** Counts the pruned blocks in masks (INC: `get_sparsity_ratio`, `get_reduced_masks_from_data`). */
import { sumOf } from "../core/sum.ts";
import {
  type BlockLayout,
  blockCount,
  columnOffset,
  isFourInLine,
  type Pattern,
} from "./pattern.ts";
import type { PrunerState } from "./state.ts";
import { wordsOf } from "./words.ts";

/** The numbers of pruned blocks and of all blocks in a layer or a network. */
export interface BlockCount {
  readonly pruned: number;
  readonly total: number;
}

/** The maximum number of elements kept in a block that counts as pruned: 0, or M - N for an N:M group. */
export function keptLimit(pattern: Pattern): number {
  return pattern.kind === "block" ? 0 : pattern.of - pattern.prune;
}

/**
 * {@link keptLimit} under `inc`: an N:M group counts as pruned if at most N elements are kept, so a 1:4 group with one
 * pruned element does not.
 */
export function incKeptLimit(pattern: Pattern): number {
  return pattern.kind === "block" ? 0 : pattern.prune;
}

function countKept(
  layout: BlockLayout,
  mask: Uint8Array,
  blockRow: number,
  blockColumn: number,
): number {
  const { blockHeight, blockWidth, columns } = layout;
  const top = blockRow * blockHeight;
  const left = blockColumn * blockWidth;
  let kept = 0;
  for (let row = top; row < top + blockHeight; row++)
    for (let column = left; column < left + blockWidth; column++)
      kept += mask[row * columns + columnOffset(layout, column)];
  return kept;
}

/** {@link markPrunedInto} for blocks of four adjacent elements, whose mask entries are the bytes of a word. */
function markWordsInto(words: Uint32Array, limit: number, flags: Uint8Array | null): number {
  let pruned = 0;
  for (let i = 0; i < words.length; i++) {
    // The upper byte of this product is the sum of all four bytes.
    const isPruned = Number(Math.imul(words[i], 0x01010101) >>> 24 <= limit);
    pruned += isPruned;
    if (flags !== null) flags[i] = isPruned;
  }
  return pruned;
}

/**
 * Writes 1 for each pruned block or group and 0 for every other, and returns the number of ones.
 *
 * @param limit the maximum number of elements kept in a block that counts as pruned.
 * @param flags receives one entry per block. `null`: nothing is written.
 */
export function markPrunedInto(
  layout: BlockLayout,
  mask: Uint8Array,
  limit: number,
  flags: Uint8Array | null,
): number {
  if (isFourInLine(layout) && mask.byteOffset % 4 === 0)
    return markWordsInto(wordsOf(mask), limit, flags);
  let pruned = 0;
  let block = 0;
  for (let row = 0; row < layout.blockRows; row++) {
    for (let column = 0; column < layout.blockColumns; column++, block++) {
      const isPruned = Number(countKept(layout, mask, row, column) <= limit);
      pruned += isPruned;
      if (flags !== null) flags[block] = isPruned;
    }
  }
  return pruned;
}

/** Counts the pruned blocks and all blocks in a mask. A layer that does not divide evenly into blocks has none. */
export function countBlocks(layout: BlockLayout, mask: Uint8Array, limit: number): BlockCount {
  const total = blockCount(layout);
  return { pruned: total === 0 ? 0 : markPrunedInto(layout, mask, limit, null), total };
}

/**
 * Whether, in each block, all rows of the mask are known to be equal. They may differ for N:M patterns, for a layer
 * that does not divide evenly into blocks, and for a convolution, because INC may have scrambled its mask.
 */
export function hasWholeRowsOfBlocks(pattern: Pattern, layout: BlockLayout): boolean {
  return pattern.kind === "block" && layout.divides && layout.positions === 1;
}

/**
 * Counts the pruned blocks of a mask for which {@link hasWholeRowsOfBlocks} is true. Reads one element of each block.
 * Unrolled to four blocks, which takes two thirds of the time of a simple loop.
 */
function countWholeBlocks(layout: BlockLayout, mask: Uint8Array): number {
  const { blockHeight, blockWidth: width, columns } = layout;
  let kept = 0;
  for (let start = 0; start < mask.length; start += blockHeight * columns) {
    const end = start + columns;
    let at = start;
    for (; at < end - 3 * width; at += 4 * width)
      kept += mask[at] + mask[at + width] + mask[at + 2 * width] + mask[at + 3 * width];
    for (; at < end; at += width) kept += mask[at];
  }
  return blockCount(layout) - kept;
}

/**
 * {@link countBlocks} for a mask that this library wrote. Reads only one element of each block if blocks are known to
 * be pruned or kept as a whole.
 */
export function countOwnBlocks(
  pattern: Pattern,
  layout: BlockLayout,
  mask: Uint8Array,
  limit: number,
): BlockCount {
  if (!hasWholeRowsOfBlocks(pattern, layout)) return countBlocks(layout, mask, limit);
  return { pruned: countWholeBlocks(layout, mask), total: blockCount(layout) };
}

/** Counts the pruned blocks and all blocks in the layers of a pruner. */
export function countPruner({ config, layers }: PrunerState, limit: number): BlockCount {
  const counts = layers.map(({ layout, mask }) =>
    countOwnBlocks(config.pattern, layout, mask, limit),
  );
  return {
    pruned: sumOf(counts, ({ pruned }) => pruned),
    total: sumOf(counts, ({ total }) => total),
  };
}

/** Counts the zeros. Unrolled, which takes two thirds of the time of a simple loop. */
export function countZeros(values: Uint8Array | Float32Array): number {
  const whole = values.length & ~3;
  let zeros = 0;
  // The positions of zeros look random, so a branch on them would often be mispredicted.
  for (let i = 0; i < whole; i += 4)
    zeros +=
      Number(values[i] === 0) +
      Number(values[i + 1] === 0) +
      Number(values[i + 2] === 0) +
      Number(values[i + 3] === 0);
  for (let i = whole; i < values.length; i++) zeros += Number(values[i] === 0);
  return zeros;
}
