/** Writes masks from decisions: 1 = kept, 0 = pruned, in the weight's own order. */
import type { PruningKernels } from "../core/pruning-kernels.ts";
import type { Decision } from "./budget.ts";
import {
  chooseWithinGroupInto,
  type GroupPattern,
  type GroupScratch,
  memberIndex,
} from "./group.ts";
import { type BlockLayout, columnOffset } from "./pattern.ts";
import { plainKernels } from "./plain-kernels.ts";

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
      const score = scores[block];
      const pruned = score < threshold || (score === threshold && ties-- > 0);
      const first = blockColumn * blockWidth;
      for (let i = 0; i < blockWidth; i++)
        mask[base + columnOffset(layout, first + i)] = pruned ? 0 : 1;
    }
    for (let row = 1; row < blockHeight; row++)
      mask.copyWithin(base + row * columns, base, base + columns);
  }
}

/**
 * Writes an N:M mask from the scores of groups and of their elements.
 *
 * @param most the most elements that a pruned group loses: N (position breaks ties) or M (all ties are pruned).
 * @param settled 1 for each group that keeps its mask. `null`: no group does.
 */
export function writeGroupMaskInto(
  pattern: GroupPattern,
  layout: BlockLayout,
  groupScores: Float32Array,
  elementScores: Float32Array,
  decision: Decision,
  most: number,
  settled: Uint8Array | null,
  mask: Uint8Array,
  scratch: GroupScratch,
): void {
  const { threshold } = decision;
  let ties = decision.ties;
  let group = 0;
  for (let row = 0; row < layout.rows; row++) {
    for (let column = 0; column < layout.blockColumns; column++, group++) {
      const score = groupScores[group];
      const prune = score < threshold || (score === threshold && ties-- > 0);
      if (settled !== null && settled[group] === 1) continue;
      if (prune) chooseWithinGroupInto(pattern, layout, elementScores, row, column, most, scratch);
      for (let member = 0; member < pattern.of; member++)
        mask[memberIndex(layout, row, column, member)] =
          prune && scratch.chosen[member] === 1 ? 0 : 1;
    }
  }
}

/**
 * Reads the rows of a mask as if they were in matrix order and writes them in the weight's order. At every prune step
 * INC does this to convolution masks that did not change (`_reshape_2dims_to_orig`), which scrambles them.
 *
 * @param row working memory for one row of the mask.
 */
export function scrambleMaskInto(layout: BlockLayout, mask: Uint8Array, row: Uint8Array): void {
  if (layout.positions === 1) return;
  for (let i = 0; i < layout.rows; i++) {
    const base = i * layout.columns;
    for (let column = 0; column < layout.columns; column++) row[column] = mask[base + column];
    for (let column = 0; column < layout.columns; column++)
      mask[base + columnOffset(layout, column)] = row[column];
  }
}
