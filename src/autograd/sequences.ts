/** Where sequences lie in the rows of a matrix: end to end, each of its own length. */
import { checkInteger, describe } from "../core/checks.ts";

/**
 * Sequences laid end to end in the rows of a matrix. A batch padded to one length is the case of equal
 * lengths.
 */
export interface Sequences {
  /** The first row of each sequence, then the number of all rows; one entry more than sequences. */
  readonly offsets: readonly number[];
  /**
   * The sums of the squares of the lengths up to each sequence. Attention probabilities of sequence i and
   * head h, [length, length], begin at `heads * squares[i] + h * length ** 2`.
   */
  readonly squares: readonly number[];
}

/**
 * Sequences of these lengths, end to end.
 *
 * @throws RangeError when there is none, or one without a row
 * @example
 * ```ts
 * import { packedSequences, uniformSequences } from "espalier/nn";
 *
 * const { offsets, squares } = packedSequences([3, 1, 2]);
 * console.assert(offsets.join() === "0,3,4,6" && squares.join() === "0,9,10,14");
 * console.assert(uniformSequences(2, 4).offsets.join() === "0,4,8");
 * ```
 */
export function packedSequences(lengths: readonly number[]): Sequences {
  if (lengths.length === 0) throw new RangeError("lengths: expected at least one, got none");
  const offsets = [0];
  const squares = [0];
  lengths.forEach((length, i) => {
    if (!Number.isInteger(length) || length < 1) checkInteger(`lengths[${i}]`, length, 1);
    offsets.push(offsets[i] + length);
    squares.push(squares[i] + length ** 2);
  });
  return Object.freeze({ offsets: Object.freeze(offsets), squares: Object.freeze(squares) });
}

/** Those made last, by count and length: each step asks for the same few, several times. */
const uniform = new Map<number, Map<number, Sequences>>();
const MOST_COUNTS = 8;
const MOST_LENGTHS = 64;

/** `count` sequences of `length` rows each. */
export function uniformSequences(count: number, length: number): Sequences {
  const known = uniform.get(count)?.get(length);
  if (known !== undefined) return known;
  checkInteger("count", count, 1);
  const sequences = packedSequences(new Array<number>(count).fill(length));
  if (uniform.size === MOST_COUNTS && !uniform.has(count)) uniform.clear();
  const ofCount = uniform.get(count) ?? new Map<number, Sequences>();
  if (ofCount.size === MOST_LENGTHS) ofCount.clear();
  uniform.set(count, ofCount.set(length, sequences));
  return sequences;
}

/** Checks that sequences divide a matrix of so many rows. */
export function checkSequences(name: string, { offsets }: Sequences, rows: number): void {
  const total = offsets.at(-1);
  if (total === rows) return;
  throw new RangeError(`${name}: expected sequences of ${rows} rows, got ${describe(total)}`);
}

/** Runs `body` for every sequence: its number, its first row and its length. */
export function forEachSequence(
  { offsets }: Sequences,
  body: (sequence: number, firstRow: number, length: number) => void,
): void {
  for (let i = 0; i + 1 < offsets.length; i++) body(i, offsets[i], offsets[i + 1] - offsets[i]);
}
