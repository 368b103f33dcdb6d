/** Sequences of different lengths, end to end in the rows of a matrix. */
import { checkInteger, describe } from "../core/checks.ts";

/** Sequences end to end in the rows of a matrix. In a padded batch they have equal lengths. */
export interface Sequences {
  /** The first row of each sequence, then the number of rows. */
  readonly offsets: readonly number[];
  /**
   * The sum of the squared lengths before each sequence, then of all. The attention probabilities of sequence i and
   * head h, [length, length], begin at `heads * squares[i] + h * length ** 2`.
   */
  readonly squares: readonly number[];
}

/** Sequences of these lengths. @throws RangeError if there are none, or a length is not a positive integer */
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

/** Recent results by count and length: a step asks for the same few again and again. */
const uniform = new Map<number, Map<number, Sequences>>();
const MOST_COUNTS = 8;
const MOST_LENGTHS = 64;

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

/** Checks that sequences have `rows` rows together. */
export function checkSequences(name: string, { offsets }: Sequences, rows: number): void {
  const total = offsets.at(-1);
  if (total === rows) return;
  throw new RangeError(`${name}: expected sequences of ${rows} rows, got ${describe(total)}`);
}
