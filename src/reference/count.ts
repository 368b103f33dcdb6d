/**
 * What counts as pruned (INC: `get_sparsity_ratio`, `get_reduced_masks_from_data`): a block none of whose elements
 * is kept. An N:M group counts where at least N of its M elements are pruned (`strict`); INC asks for at most N
 * kept ones, so that 1:4 never counts.
 */
import { sum } from "ndarray-ops";
import type { Profile } from "../prune/config.ts";
import type { Pattern } from "../prune/pattern.ts";
import type { Layout } from "./layout.ts";
import { asNdarray, type MaskMatrix, maskOfZeros } from "./matrix.ts";

/** Pruned blocks and all blocks. */
export interface Count {
  readonly pruned: number;
  readonly total: number;
}

/** A matrix of blocks with 1 where the block counts as pruned. */
export function prunedBlocks(
  pattern: Pattern,
  { height, width, rows, columns }: Layout,
  mask: MaskMatrix,
  profile: Profile,
): MaskMatrix {
  const most =
    pattern.kind === "block"
      ? 0
      : profile === "strict"
        ? pattern.of - pattern.prune
        : pattern.prune;
  const flags = maskOfZeros(rows, columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const block = asNdarray(mask)
        .lo(i * height, j * width)
        .hi(height, width);
      flags.set(i, j, sum(block) <= most ? 1 : 0);
    }
  }
  return flags;
}

/** How many blocks of a mask count as pruned; none of a layer that the pattern does not divide. */
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
