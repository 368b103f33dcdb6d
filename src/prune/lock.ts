/**
 * Pattern lock: masks read off the zeros a weight already has (INC: `get_pattern_lock_masks`).
 */
import { type GroupPattern, memberIndex } from "./group.ts";
import { type BlockLayout, forEachElement, type Pattern } from "./pattern.ts";
import { reduceBlocks } from "./score.ts";

/** INC keeps a group whole when it has more than N nonzeros and prunes it whole otherwise. */
function lockGroupsInto(
  pattern: GroupPattern,
  layout: BlockLayout,
  weight: Float32Array,
  truthful: boolean,
  mask: Uint8Array,
): void {
  for (let row = 0; row < layout.rows; row++) {
    for (let column = 0; column < layout.blockColumns; column++) {
      let nonzeros = 0;
      for (let member = 0; member < pattern.of; member++)
        if (weight[memberIndex(layout, row, column, member)] !== 0) nonzeros++;
      const pruned = truthful ? nonzeros <= pattern.of - pattern.prune : nonzeros <= pattern.prune;
      for (let member = 0; member < pattern.of; member++) {
        const index = memberIndex(layout, row, column, member);
        mask[index] = pruned && !(truthful && weight[index] !== 0) ? 0 : 1;
      }
    }
  }
}

/** INC keeps a block when the sum of its weights is not zero, so that one that cancels is pruned. */
function lockBlocksInto(
  layout: BlockLayout,
  weight: Float32Array,
  truthful: boolean,
  mask: Uint8Array,
): void {
  const values = truthful ? weight.map(Math.abs) : weight;
  // The largest magnitude is 0 exactly where all are; a sum may also underflow or cancel.
  const reduced = reduceBlocks(layout, truthful ? "max" : "sum", values);
  forEachElement(layout, (index, block) => {
    mask[index] = reduced[block] === 0 ? 0 : 1;
  });
}

/**
 * Writes the mask that keeps a weight's present zeros. A layer the pattern does not divide keeps all.
 *
 * @param truthful `strict`: only blocks of zeros, and the zeros of groups with at least N of them.
 */
export function lockMaskInto(
  pattern: Pattern,
  layout: BlockLayout,
  weight: Float32Array,
  truthful: boolean,
  mask: Uint8Array,
): void {
  if (!layout.divides) mask.fill(1);
  else if (pattern.kind === "group") lockGroupsInto(pattern, layout, weight, truthful, mask);
  else lockBlocksInto(layout, weight, truthful, mask);
}
