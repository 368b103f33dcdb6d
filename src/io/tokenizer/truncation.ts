/** Truncates token ids as `tokenizers` does. */

/** From which side tokens are removed. */
export type Side = "left" | "right";

/**
 * Returns how many tokens of both texts to keep (`longest_first`). `room` is the maximum number for both texts
 * together, without special tokens. A text with at most half of `room` tokens stays whole; otherwise the shorter text,
 * or the first one on a tie, gets half of `room`, rounded down.
 */
export function keptTokens(first: number, second: number, room: number): readonly [number, number] {
  if (first + second <= room) return [first, second];
  const isSwapped = first > second;
  let shorter = Math.min(first, second);
  let longer = shorter > room ? shorter : Math.max(shorter, room - shorter);
  if (shorter + longer > room) {
    shorter = Math.floor(room / 2);
    longer = shorter + (room % 2);
  }
  return isSwapped ? [longer, shorter] : [shorter, longer];
}

/** Keeps a number of ids from the beginning, or from the end if the left side is truncated. */
export function truncated(ids: readonly number[], count: number, side: Side): readonly number[] {
  if (count >= ids.length) return ids;
  return side === "right" ? ids.slice(0, count) : ids.slice(ids.length - count);
}
