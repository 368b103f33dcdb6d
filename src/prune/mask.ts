/**
 * Masks: 1 = kept, 0 = pruned, in the weight's own order. Writing them from decisions and counting
 * them the way each pattern counts.
 */
import type { BlockCount, Decision } from "./budget.ts";
import { chooseWithinGroup, type GroupPattern, type GroupScratch, memberIndex } from "./group.ts";
import { type BlockLayout, blockCount, columnOffset, type Pattern } from "./pattern.ts";

/** Whether the next block of this score is pruned; counts ties off. */
function decide(decision: Decision, score: number, ties: { left: number }): boolean {
  return score < decision.threshold || (score === decision.threshold && ties.left-- > 0);
}

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
): void {
  const { blockHeight, blockWidth, blockColumns } = layout;
  const ties = { left: decision.ties };
  let block = 0;
  for (let blockRow = 0; blockRow < layout.blockRows; blockRow++) {
    const base = blockRow * blockHeight * layout.columns;
    for (let blockColumn = 0; blockColumn < blockColumns; blockColumn++, block++) {
      const value = decide(decision, scores[block] as number, ties) ? 0 : 1;
      const first = blockColumn * blockWidth;
      for (let i = 0; i < blockWidth; i++) mask[base + columnOffset(layout, first + i)] = value;
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
  const ties = { left: decision.ties };
  let group = 0;
  for (let row = 0; row < layout.rows; row++) {
    for (let column = 0; column < layout.blockColumns; column++, group++) {
      const prune = decide(decision, groupScores[group] as number, ties);
      if (settled !== null && settled[group] === 1) continue;
      if (prune) chooseWithinGroup(pattern, layout, elementScores, row, column, exact, scratch);
      for (let member = 0; member < pattern.of; member++)
        mask[memberIndex(layout, row, column, member)] =
          prune && scratch.chosen[member] === 1 ? 0 : 1;
    }
  }
}

/** Adds each block's kept elements of one row of blocks to `kept`. */
function countKeptInto(
  layout: BlockLayout,
  mask: Uint8Array,
  blockRow: number,
  kept: Uint32Array,
): void {
  const { blockHeight, blockWidth, columns } = layout;
  for (let i = 0; i < blockHeight; i++) {
    const base = (blockRow * blockHeight + i) * columns;
    for (let block = 0, column = 0; column < columns; block++)
      for (let j = 0; j < blockWidth; j++, column++)
        kept[block] =
          (kept[block] as number) + (mask[base + columnOffset(layout, column)] as number);
  }
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
  const kept = new Uint32Array(blockColumns);
  let pruned = 0;
  for (let row = 0; row < layout.blockRows; row++) {
    kept.fill(0);
    countKeptInto(layout, mask, row, kept);
    for (let column = 0; column < blockColumns; column++) {
      const isPruned = (kept[column] as number) <= limit;
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
 */
export function scrambleMask(layout: BlockLayout, mask: Uint8Array): void {
  if (layout.positions === 1) return;
  const row = new Uint8Array(layout.columns);
  for (let i = 0; i < layout.rows; i++) {
    const base = i * layout.columns;
    row.set(mask.subarray(base, base + layout.columns));
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

/** Does what {@link applyMaskInto} does, reading the first row of each row of blocks for all of them. */
export function applyBlockMaskInto(
  layout: BlockLayout,
  mask: Uint8Array,
  values: Float32Array,
): void {
  const { columns, blockHeight } = layout;
  const count = blockHeight * columns;
  for (let start = 0; start < mask.length; start += count)
    for (let i = start; i < start + columns; i++)
      if (mask[i] === 0) for (let at = i; at < start + count; at += columns) values[at] = 0;
}

/** Sets the elements to 0 where the mask is 0. `values` is a weight, a gradient or an optimizer moment. */
export function applyMaskInto(mask: Uint8Array, values: Float32Array): void {
  for (let i = 0; i < mask.length; i++) if (mask[i] === 0) values[i] = 0;
}
