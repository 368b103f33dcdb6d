/** Cuts texts and bytes at random places. */
import fc from "fast-check";

/** Numbers that {@link cutAt} takes as places. */
export const places: fc.Arbitrary<readonly number[]> = fc.array(
  fc.double({ min: 0, max: 1, noNaN: true }),
  {
    maxLength: 6,
  },
);

export function cutAt<T extends string | Uint8Array>(whole: T, shares: readonly number[]): T[] {
  const ends = shares.map((share) => Math.floor(share * whole.length)).sort((a, b) => a - b);
  return [...ends, whole.length].map((end, index) => whole.slice(ends[index - 1] ?? 0, end) as T);
}
