/**
 * Counts pruned blocks (INC: `get_sparsity_ratio`, `get_reduced_masks_from_data`). A block counts as pruned if none of
 * its elements is kept. Under `strict`, an N:M group counts as pruned if at least N of its M elements are pruned. Under
 * `inc`, it counts as pruned if at most N elements are kept, so a 1:4 group with one pruned element does not.
 */
import { sum } from "ndarray-ops";
import type { Profile } from "../prune/config.ts";
import type { Pattern } from "../prune/pattern.ts";
import type { Layout } from "./layout.ts";
import { asNdarray, linesOf, type MaskMatrix, maskOf } from "./matrix.ts";

/** The numbers of pruned blocks and of all blocks. */
export interface Count {
  readonly pruned: number;
  readonly total: number;
}

/** Returns the maximum number of elements kept in a block or an N:M group that counts as pruned. */
export function keptLimit(pattern: Pattern, profile: Profile): number {
  if (pattern.kind === "block") return 0;
  return profile === "strict" ? pattern.of - pattern.prune : pattern.prune;
}

/** Returns a matrix with one entry per block: 1 if the block is pruned, otherwise 0. */
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

/** Counts the pruned blocks and all blocks in a mask. A layer that does not divide evenly into blocks has none. */
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

/** Adds up the counts of several layers. */
export function totalOf(counts: readonly Count[]): Count {
  return counts.reduce(
    (sums, { pruned, total }) => ({ pruned: sums.pruned + pruned, total: sums.total + total }),
    { pruned: 0, total: 0 },
  );
}
