/**
 * Pattern lock: computes masks from the zeros that a weight already contains (INC: `get_pattern_lock_masks`). INC
 * prunes every block whose weights sum to 0, even if nonzero weights merely cancel each other out, and all elements of
 * an N:M group with at most N nonzero weights. `strict` prunes the blocks that consist only of zeros, and the zeros in
 * N:M groups with at least N zeros.
 */
import type { Profile } from "../prune/config.ts";
import type { Pattern } from "../prune/pattern.ts";
import { checkMatrix, checkPattern, checkProfile } from "./arguments.ts";
import { expandBlocks } from "./blocks.ts";
import { keptLimit } from "./count.ts";
import { checkLayout, type Layout } from "./layout.ts";
import { at, linesOf, type MaskMatrix, type Matrix, maskOf } from "./matrix.ts";
import { float32Sum } from "./rounding.ts";

/**
 * Whether pattern lock prunes a block with these rows of weights. For an N:M group under `strict`, only its zeros are
 * pruned.
 */
function isPruned(pattern: Pattern, lines: readonly number[][], profile: Profile): boolean {
  const weights = lines.flat();
  if (profile === "inc" && pattern.kind === "block") return float32Sum(lines.map(float32Sum)) === 0;
  return weights.filter((weight) => weight !== 0).length <= keptLimit(pattern, profile);
}

/**
 * Computes the mask in matrix order. In a layer that does not divide evenly into blocks, all elements are kept.
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
  checkPattern(pattern);
  checkMatrix("weight", weight, "Float32Array");
  checkLayout(layout, weight.shape[0], weight.shape[1]);
  checkProfile(profile);
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
