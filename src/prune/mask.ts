/**
 * Masks: 1 = kept, 0 = pruned, in the weight's own order. Writing them from decisions and counting
 * them the way each pattern counts.
 */
import type { BlockCount, Decision } from "./budget.ts";
import { chooseWithinGroup, type GroupPattern, type GroupScratch, memberIndex } from "./group.ts";
import { type BlockLayout, blockCount, columnOffset, type Pattern } from "./pattern.ts";

/** Sets all elements of a block. */
function fillBlock(
  layout: BlockLayout,
  mask: Uint8Array,
  blockRow: number,
  blockColumn: number,
  value: 0 | 1,
): void {
  const { blockHeight, blockWidth, columns } = layout;
  for (let i = 0; i < blockHeight; i++) {
    const base = (blockRow * blockHeight + i) * columns;
    for (let j = 0; j < blockWidth; j++)
      mask[base + columnOffset(layout, blockColumn * blockWidth + j)] = value;
  }
}

/** Writes a block pattern's mask from one score per block. */
export function writeBlockMaskInto(
  layout: BlockLayout,
  scores: Float32Array,
  decision: Decision,
  mask: Uint8Array,
): void {
  let ties = decision.ties;
  let block = 0;
  for (let row = 0; row < layout.blockRows; row++) {
    for (let column = 0; column < layout.blockColumns; column++, block++) {
      const score = scores[block] as number;
      const prune = score < decision.threshold || (score === decision.threshold && ties-- > 0);
      fillBlock(layout, mask, row, column, prune ? 0 : 1);
    }
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
  let ties = decision.ties;
  let group = 0;
  for (let row = 0; row < layout.rows; row++) {
    for (let column = 0; column < layout.blockColumns; column++, group++) {
      const score = groupScores[group] as number;
      const prune = score < decision.threshold || (score === decision.threshold && ties-- > 0);
      if (settled !== null && settled[group] === 1) continue;
      if (prune) chooseWithinGroup(pattern, layout, elementScores, row, column, exact, scratch);
      for (let member = 0; member < pattern.of; member++)
        mask[memberIndex(layout, row, column, member)] =
          prune && scratch.chosen[member] === 1 ? 0 : 1;
    }
  }
}

/**
 * Whether a block or group counts as pruned. A block counts when all of it is. An N:M group counts,
 * with `truthful`, when at least N of its M elements are pruned; INC asks for at most N kept ones
 * instead, so that 1:4 never counts.
 */
export function isBlockPruned(
  pattern: Pattern,
  layout: BlockLayout,
  mask: Uint8Array,
  blockRow: number,
  blockColumn: number,
  truthful: boolean,
): boolean {
  const { blockHeight, blockWidth, columns } = layout;
  let kept = 0;
  for (let i = 0; i < blockHeight; i++) {
    const base = (blockRow * blockHeight + i) * columns;
    for (let j = 0; j < blockWidth; j++)
      kept += mask[base + columnOffset(layout, blockColumn * blockWidth + j)] as number;
  }
  if (pattern.kind === "block") return kept === 0;
  return kept <= (truthful ? pattern.of - pattern.prune : pattern.prune);
}

/**
 * Pruned and all blocks of a mask (INC: `get_sparsity_ratio`). A layer the pattern does not divide has
 * no blocks.
 */
export function countBlocks(
  pattern: Pattern,
  layout: BlockLayout,
  mask: Uint8Array,
  truthful: boolean,
): BlockCount {
  const total = blockCount(layout);
  if (total === 0) return { pruned: 0, total };
  let pruned = 0;
  for (let row = 0; row < layout.blockRows; row++)
    for (let column = 0; column < layout.blockColumns; column++)
      if (isBlockPruned(pattern, layout, mask, row, column, truthful)) pruned++;
  return { pruned, total };
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

/** Sets the elements to 0 where the mask is 0. `values` is a weight, a gradient or an optimizer moment. */
export function applyMaskInto(mask: Uint8Array, values: Float32Array): void {
  for (let i = 0; i < mask.length; i++) if (mask[i] === 0) values[i] = 0;
}
