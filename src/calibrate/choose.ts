/** Chooses what to prune: the lowest scores of a row or of a group, in order of score and then of index. */
import type { Pattern } from "../prune/pattern.ts";

/** A pattern with which calibrated pruning works: single elements, or N:M groups of the inputs of one output. */
export type CalibratedPattern = { readonly kind: "element" } | Extract<Pattern, { kind: "group" }>;

/** Returns the indices from `start` to `end` in order of their scores. Equal scores keep their order; NaN comes last. */
export function orderOf(scores: ArrayLike<number>, start: number, end: number): number[] {
  const order = Array.from({ length: end - start }, (_, i) => start + i);
  return order.sort((a, b) => {
    const difference = scores[a] - scores[b];
    if (!Number.isNaN(difference)) return difference || a - b;
    // Equal infinities also have the difference NaN.
    return (
      Number(Number.isNaN(scores[a])) - Number(Number.isNaN(scores[b])) || compared(scores, a, b)
    );
  });
}

function compared(scores: ArrayLike<number>, a: number, b: number): number {
  if (scores[a] < scores[b]) return -1;
  return scores[a] > scores[b] ? 1 : a - b;
}

/** Returns the indices of the `count` lowest scores from `start` to `end`. */
export function lowest(
  scores: ArrayLike<number>,
  start: number,
  end: number,
  count: number,
): readonly number[] {
  return orderOf(scores, start, end).slice(0, count);
}

/** Sets the mask of the `count` lowest scores from `start` to `end` to 0. */
export function pruneLowestInto(
  mask: Uint8Array,
  scores: ArrayLike<number>,
  start: number,
  end: number,
  count: number,
): void {
  for (const index of lowest(scores, start, end, count)) mask[index] = 0;
}
