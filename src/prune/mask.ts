/**
 * Masks: 1 = kept, 0 = pruned, in the weight's own order. Writing them from decisions and counting
 * them the way each pattern counts.
 */
import { checkFloat32Array } from "../core/checks.ts";
import type { PruningKernels } from "../core/pruning-kernels.ts";
import type { BlockCount, Decision } from "./budget.ts";
import { chooseWithinGroup, type GroupPattern, type GroupScratch, memberIndex } from "./group.ts";
import { type BlockLayout, blockCount, columnOffset, type Pattern } from "./pattern.ts";
import { plainKernels } from "./plain-kernels.ts";

/** Copies the first of `count` rows of a mask to the others. */
function repeatRow(layout: BlockLayout, mask: Uint8Array, start: number, count: number): void {
  const end = start + layout.columns;
  for (let row = 1; row < count; row++) mask.copyWithin(start + row * layout.columns, start, end);
}

/** Writes a block pattern's mask from one score per block. */
export function writeBlockMaskInto(
  layout: BlockLayout,
  scores: Float32Array,
  decision: Decision,
  mask: Uint8Array,
  kernels: PruningKernels = plainKernels,
): void {
  const { blockHeight, blockWidth, blockColumns, columns } = layout;
  const { threshold } = decision;
  let ties = decision.ties;
  if (blockWidth === 1 && layout.positions === 1 && (ties === 0 || ties >= scores.length)) {
    kernels.writeMaskInto(scores, threshold, ties > 0, blockHeight, columns, mask);
    return;
  }
  let block = 0;
  for (let blockRow = 0; blockRow < layout.blockRows; blockRow++) {
    const base = blockRow * blockHeight * columns;
    for (let blockColumn = 0; blockColumn < blockColumns; blockColumn++, block++) {
      const score = scores[block] as number;
      const pruned = score < threshold || (score === threshold && ties-- > 0);
      const first = blockColumn * blockWidth;
      for (let i = 0; i < blockWidth; i++)
        mask[base + columnOffset(layout, first + i)] = pruned ? 0 : 1;
    }
    repeatRow(layout, mask, base, blockHeight);
  }
}

/**
 * Writes an N:M mask from one score per group and the element scores behind them.
 *
 * @param exact prune exactly N elements of a pruned group, ties by position; otherwise ties prune more.
 * @param settled 1 for groups that keep their elements' masks as they are; `null`: none.
 */
export function writeGroupMaskInto(
  pattern: GroupPattern,
  layout: BlockLayout,
  groupScores: Float32Array,
  elementScores: Float32Array,
  decision: Decision,
  exact: boolean,
  settled: Uint8Array | null,
  mask: Uint8Array,
  scratch: GroupScratch,
): void {
  const { threshold } = decision;
  let ties = decision.ties;
  let group = 0;
  for (let row = 0; row < layout.rows; row++) {
    for (let column = 0; column < layout.blockColumns; column++, group++) {
      const score = groupScores[group] as number;
      const prune = score < threshold || (score === threshold && ties-- > 0);
      if (settled !== null && settled[group] === 1) continue;
      if (prune) chooseWithinGroup(pattern, layout, elementScores, row, column, exact, scratch);
      for (let member = 0; member < pattern.of; member++)
        mask[memberIndex(layout, row, column, member)] =
          prune && scratch.chosen[member] === 1 ? 0 : 1;
    }
  }
}

/** Kept elements of one block. */
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
      kept += mask[row * columns + columnOffset(layout, column)] as number;
  return kept;
}

/**
 * Writes 1 for each block or group that counts as pruned and returns their number. A block counts when
 * all of it is pruned. An N:M group counts, with `truthful`, when at least N of its M elements are;
 * INC asks for at most N kept ones instead, so that 1:4 never counts.
 *
 * @param flags one entry per block, or `null` where only the number is wanted.
 */
export function markPrunedInto(
  pattern: Pattern,
  layout: BlockLayout,
  mask: Uint8Array,
  truthful: boolean,
  flags: Uint8Array | null,
): number {
  const limit = keptLimit(pattern, truthful);
  const { blockColumns } = layout;
  let pruned = 0;
  for (let row = 0; row < layout.blockRows; row++) {
    for (let column = 0; column < blockColumns; column++) {
      const isPruned = countKept(layout, mask, row, column) <= limit;
      if (isPruned) pruned++;
      if (flags !== null) flags[row * blockColumns + column] = isPruned ? 1 : 0;
    }
  }
  return pruned;
}

/** Most kept elements with which a block or group still counts as pruned. */
function keptLimit(pattern: Pattern, truthful: boolean): number {
  if (pattern.kind === "block") return 0;
  return truthful ? pattern.of - pattern.prune : pattern.prune;
}

/**
 * Pruned and all blocks of a mask, as {@link markPrunedInto} counts them (INC: `get_sparsity_ratio`). A
 * layer the pattern does not divide has no blocks.
 */
export function countBlocks(
  pattern: Pattern,
  layout: BlockLayout,
  mask: Uint8Array,
  truthful: boolean,
): BlockCount {
  const total = blockCount(layout);
  if (total === 0) return { pruned: 0, total };
  return { pruned: markPrunedInto(pattern, layout, mask, truthful, null), total };
}

/** Pruned blocks of a mask that {@link hasWholeRowsOfBlocks}: one look at each block is enough, four in a turn. */
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

/** {@link countBlocks} for a mask that this package wrote, in which no block is pruned in part. */
export function countOwnBlocks(
  pattern: Pattern,
  layout: BlockLayout,
  mask: Uint8Array,
  truthful: boolean,
): BlockCount {
  if (!hasWholeRowsOfBlocks(pattern, layout)) return countBlocks(pattern, layout, mask, truthful);
  return { pruned: countWholeBlocks(layout, mask), total: blockCount(layout) };
}

/** Number of zeros in a mask. */
export function countZeros(mask: Uint8Array): number {
  let zeros = 0;
  for (let i = 0; i < mask.length; i++) if (mask[i] === 0) zeros++;
  return zeros;
}

/**
 * Reads a mask's rows as if they were in matrix order and writes them in the weight's order: what INC
 * does at every prune step to convolution masks that did not change (`_reshape_2dims_to_orig`), which
 * scrambles them.
 *
 * @param row working memory for a row of the mask.
 */
export function scrambleMask(layout: BlockLayout, mask: Uint8Array, row: Uint8Array): void {
  if (layout.positions === 1) return;
  for (let i = 0; i < layout.rows; i++) {
    const base = i * layout.columns;
    for (let column = 0; column < layout.columns; column++)
      row[column] = mask[base + column] as number;
    for (let column = 0; column < layout.columns; column++)
      mask[base + columnOffset(layout, column)] = row[column] as number;
  }
}

/**
 * Whether every row of a block's mask is the same: not so for N:M, for a layer the pattern does not divide,
 * and for a convolution, whose mask INC may have scrambled.
 */
export function hasWholeRowsOfBlocks(pattern: Pattern, layout: BlockLayout): boolean {
  return pattern.kind === "block" && layout.divides && layout.positions === 1;
}

/** Does what {@link applyMaskInto} does; where blocks are whole, one row of the mask stands for all of a block's. */
export function applyOwnMaskInto(
  pattern: Pattern,
  layout: BlockLayout,
  mask: Uint8Array,
  values: Float32Array,
  kernels: PruningKernels,
): void {
  if (hasWholeRowsOfBlocks(pattern, layout))
    kernels.applyMaskInto(mask, layout.blockHeight, layout.columns, values);
  else kernels.applyMaskInto(mask, 1, mask.length, values);
}

/**
 * Sets the elements to 0 where the mask is 0; any other entry keeps its element. `values` is a weight, a gradient
 * or an optimizer moment.
 *
 * @throws TypeError and RangeError where `values` is no Float32Array of the mask's length.
 */
export function applyMaskInto(mask: Uint8Array, values: Float32Array): void {
  checkFloat32Array("values", values, mask.length);
  for (let i = 0; i < mask.length; i++) if (mask[i] === 0) values[i] = 0;
}
