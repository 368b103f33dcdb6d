/**
 * Counts pruned blocks (INC: `get_sparsity_ratio`, `get_reduced_masks_from_data`). A block is pruned if it keeps no
 * element. Under `strict` an N:M group is pruned if at least N of its M elements are pruned, under `inc` if it keeps at
 * most N elements, so under `inc` a 1:4 group never counts as pruned.
 */
import { sum } from "ndarray-ops";
import type { Profile } from "../prune/config.ts";
import type { Pattern } from "../prune/pattern.ts";
import type { Layout } from "./layout.ts";
import { asNdarray, linesOf, type MaskMatrix, maskOf } from "./matrix.ts";

/** Pruned blocks and all blocks. */
export interface Count {
  readonly pruned: number;
  readonly total: number;
}

/** The most elements that a pruned block keeps. */
export function keptLimit(pattern: Pattern, profile: Profile): number {
  if (pattern.kind === "block") return 0;
  return profile === "strict" ? pattern.of - pattern.prune : pattern.prune;
}

/** A matrix with one entry per block, 1 if the block is pruned. */
export function prunedBlocks(
  pattern: Pattern,
  layout: Layout,
  mask: MaskMatrix,
  profile: Profile,
): MaskMatrix {
  const most = keptLimit(pattern, profile);
  return maskOf(layout.rows, layout.columns, (i, j) => {
    const kept = linesOf(mask, layout, i, j).flat();
    return kept.filter((bit) => bit === 1).length <= most;
  });
}

/** Counts the blocks of a mask. A layer that the pattern does not divide has no blocks. */
export function countOf(
  pattern: Pattern,
  layout: Layout,
  mask: MaskMatrix,
  profile: Profile,
): Count {
  if (!layout.divides) return { pruned: 0, total: 0 };
  const flags = prunedBlocks(pattern, layout, mask, profile);
  return { pruned: sum(asNdarray(flags)), total: layout.rows * layout.columns };
}

/** The sum of counts. */
export function totalOf(counts: readonly Count[]): Count {
  return counts.reduce(
    (sums, { pruned, total }) => ({ pruned: sums.pruned + pruned, total: sums.total + total }),
    { pruned: 0, total: 0 },
  );
}
