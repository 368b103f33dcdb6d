/** Writes masks from decisions. A mask has 1 for each kept and 0 for each pruned element, in the weight's own order. */
import type { PruningKernels } from "../core/pruning-kernels.ts";
import { type Decision, PRUNE_ALL } from "./budget.ts";
import { type BlockLayout, columnOffset, isFourInLine } from "./pattern.ts";
import { plainKernels } from "./plain-kernels.ts";

/**
 * Writes a mask from one score per block.
 *
 * @param groupMask for N:M patterns, the mask that the layer would have if all groups were pruned. `null`: all elements
 * of a pruned block are pruned.
 * @param settled 1 for each block that must keep its mask. `null`: the mask of every block may change.
 */
export function writeBlockMaskInto(
  layout: BlockLayout,
  scores: Float32Array,
  decision: Decision,
  mask: Uint8Array,
  kernels: PruningKernels = plainKernels,
  groupMask: Uint8Array | null = null,
  settled: Uint8Array | null = null,
): void {
  const { blockHeight, blockWidth, blockColumns, columns } = layout;
  const { threshold } = decision;
  let ties = decision.ties;
  if (blockWidth === 1 && layout.positions === 1 && (ties === 0 || ties >= scores.length)) {
    kernels.writeMaskInto(scores, threshold, ties > 0, blockHeight, columns, mask);
    return;
  }
  // Every block is pruned. A copy takes a tenth of the time of the loop.
  if (groupMask !== null && decision === PRUNE_ALL && !settled?.includes(1)) {
    mask.set(groupMask);
    return;
  }
  const isFast = groupMask !== null && isFourInLine(layout);
  let block = 0;
  for (let blockRow = 0; blockRow < layout.blockRows; blockRow++) {
    const base = blockRow * blockHeight * columns;
    for (let blockColumn = 0; blockColumn < blockColumns; blockColumn++, block++) {
      const score = scores[block];
      const kept = Number(!(score < threshold || (score === threshold && ties-- > 0)));
      if (settled !== null && settled[block] === 1) continue;
      if (isFast) {
        const at = 4 * block;
        mask[at] = groupMask[at] | kept;
        mask[at + 1] = groupMask[at + 1] | kept;
        mask[at + 2] = groupMask[at + 2] | kept;
        mask[at + 3] = groupMask[at + 3] | kept;
        continue;
      }
      const first = blockColumn * blockWidth;
      for (let i = 0; i < blockWidth; i++) {
        const at = base + columnOffset(layout, first + i);
        mask[at] = groupMask === null ? kept : groupMask[at] | kept;
      }
    }
    for (let row = 1; row < blockHeight; row++)
      mask.copyWithin(base + row * columns, base, base + columns);
  }
}

/**
 * Scrambles a convolution's mask as INC does: reads its rows as if they were in matrix order, and writes them in the
 * weight's order. INC does so at every prune step to masks that did not change (`_reshape_2dims_to_orig`).
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
