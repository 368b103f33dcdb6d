import { checkInteger, checkKind, describe } from "../core/checks.ts";

/** Sequences that are stored one after another in the rows of a matrix. In a padded batch, they have equal lengths. */
export interface Sequences {
  /** The index of the first row of each sequence, then the total number of rows. */
  readonly offsets: readonly number[];
  /**
   * For each sequence, the sum of the squared lengths of the sequences before it; then the sum over all sequences. The
   * attention probabilities of sequence i and head h, a [length, length] matrix, start at `heads * squares[i] + h *
   * length ** 2`.
   */
  readonly squares: readonly number[];
}

/**
 * Returns sequences of the given lengths.
 *
 * @throws RangeError for an empty list, or a length that is not a positive integer
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

/**
 * Recent results of {@link uniformSequences} by count and length. Training steps need the same few results repeatedly.
 */
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

/** Checks that a value has the form of sequences. */
export function checkSequencesForm(name: string, sequences: Sequences): void {
  checkKind(isSequences(sequences), `${name} sequences`, "those of packedSequences", sequences);
}

function isSequences(sequences: Sequences): boolean {
  try {
    return sequences.offsets.length > 0 && sequences.squares.length > 0;
  } catch {
    return false;
  }
}

/** Checks that the sequences have `rows` rows in total. */
export function checkSequences(name: string, sequences: Sequences, rows: number): void {
  checkSequencesForm(name, sequences);
  const total = sequences.offsets.at(-1);
  if (total === rows) return;
  throw new RangeError(`${name}: expected sequences of ${rows} rows, got ${describe(total)}`);
}
