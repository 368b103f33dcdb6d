/**
 * Masks from the zeros that a weight already has (INC: `get_pattern_lock_masks`). INC prunes a block whose weights have
 * the sum 0, even if they cancel, and a whole N:M group with at most N nonzero weights. `strict` prunes blocks of
 * zeros, and the zeros of groups that have at least N of them.
 */
import type { Profile } from "../prune/config.ts";
import type { Pattern } from "../prune/pattern.ts";
import { expandBlocks } from "./blocks.ts";
import { keptLimit } from "./count.ts";
import type { Layout } from "./layout.ts";
import { at, linesOf, type MaskMatrix, type Matrix, maskOf } from "./matrix.ts";
import { float32Sum } from "./rounding.ts";

/** Whether a block of weights is pruned, given its rows. */
function isPruned(pattern: Pattern, lines: readonly number[][], profile: Profile): boolean {
  const weights = lines.flat();
  if (profile === "inc" && pattern.kind === "block") return float32Sum(lines.map(float32Sum)) === 0;
  return weights.filter((weight) => weight !== 0).length <= keptLimit(pattern, profile);
}

/**
 * The mask in matrix order. A layer that the pattern does not divide keeps all elements.
 *
 * @example
 * ```ts
 * import { layoutOf, lockedMask, weightMatrix } from "espalier/reference";
 *
 * const pattern = { kind: "block", height: 1, width: 2 } as const;
 * const weight = weightMatrix(Float32Array.of(1, -1, 0, 0), [1, 4]);
 * const mask = (profile: "inc" | "strict"): string =>
 *   lockedMask(pattern, layoutOf(pattern, [1, 4]), weight, profile).data.join();
 * if (mask("strict") !== "1,1,0,0") throw new Error("expected the zeros to be locked");
 * if (mask("inc") !== "0,0,0,0") throw new Error("INC takes weights that cancel for zeros");
 * ```
 */
export function lockedMask(
  pattern: Pattern,
  layout: Layout,
  weight: Matrix,
  profile: Profile,
): MaskMatrix {
  const { height, width, rows, columns, divides } = layout;
  const [outputs, inputs] = weight.shape;
  if (!divides) return maskOf(outputs, inputs, () => true);
  const kept = maskOf(
    rows,
    columns,
    (i, j) => !isPruned(pattern, linesOf(weight, layout, i, j), profile),
  );
  const blocks = expandBlocks(kept, height, width);
  const onlyZeros = profile === "strict" && pattern.kind === "group";
  return maskOf(outputs, inputs, (row, column) => {
    const keepsNonzero = onlyZeros && at(weight, row, column) !== 0;
    return keepsNonzero || at(blocks, row, column) === 1;
  });
}
