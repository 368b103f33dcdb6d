/**
 * What counts as pruned (INC: `get_sparsity_ratio`, `get_reduced_masks_from_data`): a block with no kept element. An
 * N:M group counts if at least N of its M elements are pruned (`strict`); INC asks for at most N kept ones, so that
 * 1:4 never counts.
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

/** A matrix of blocks: 1 if the block counts as pruned. */
export function prunedBlocks(
  pattern: Pattern,
  layout: Layout,
  mask: MaskMatrix,
  profile: Profile,
): MaskMatrix {
  const most =
    pattern.kind === "block"
      ? 0
      : profile === "strict"
        ? pattern.of - pattern.prune
        : pattern.prune;
  return maskOf(layout.rows, layout.columns, (i, j) => {
    const kept = linesOf(mask, layout, i, j).flat();
    return kept.filter((bit) => bit === 1).length <= most;
  });
}

/** How many blocks of a mask count as pruned. A layer that the pattern does not divide has none. */
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

/** Several layers' counts together. */
export function totalOf(counts: readonly Count[]): Count {
  return counts.reduce(
    (sums, { pruned, total }) => ({ pruned: sums.pruned + pruned, total: sums.total + total }),
    { pruned: 0, total: 0 },
  );
}
