/**
 * Masks read off the zeros that a weight already has (INC: `get_pattern_lock_masks`). INC prunes a block whose
 * weights sum to 0, even where they merely cancel, and prunes a whole N:M group that has at most N weights other
 * than zero. `strict` prunes a block of zeros only, and the zeros of a group that has at least N of them.
 */
import type { Profile } from "../prune/config.ts";
import type { Pattern } from "../prune/pattern.ts";
import { expandBlocks } from "./blocks.ts";
import type { Layout } from "./layout.ts";
import { asNdarray, elements, type MaskMatrix, type Matrix, maskFrom } from "./matrix.ts";
import { float32Sum } from "./rounding.ts";

/** Whether a block of weights counts as pruned. `lines` are its rows. */
function isPruned(pattern: Pattern, lines: readonly number[][], profile: Profile): boolean {
  const weights = lines.flat();
  const others = weights.filter((weight) => weight !== 0).length;
  if (pattern.kind === "group")
    return others <= (profile === "strict" ? pattern.of - pattern.prune : pattern.prune);
  if (profile === "strict") return others === 0;
  return float32Sum(lines.map(float32Sum)) === 0;
}

/**
 * The mask, in matrix order. A layer that the pattern does not divide keeps all.
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
  { height, width, rows, columns, divides }: Layout,
  weight: Matrix,
  profile: Profile,
): MaskMatrix {
  const all = elements(weight);
  const [outputs = 0, inputs = 0] = weight.shape;
  if (!divides)
    return maskFrom(
      outputs,
      inputs,
      all.map(() => true),
    );
  const kept: boolean[] = [];
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const lines = Array.from({ length: height }, (_, line) =>
        elements(
          asNdarray(weight)
            .lo(i * height + line, j * width)
            .hi(1, width),
        ),
      );
      kept.push(!isPruned(pattern, lines, profile));
    }
  }
  const blocks = elements(expandBlocks(maskFrom(rows, columns, kept), height, width));
  const onlyZeros = profile === "strict" && pattern.kind === "group";
  return maskFrom(
    outputs,
    inputs,
    all.map((value, i) => blocks[i] === 1 || (onlyZeros && value !== 0)),
  );
}
