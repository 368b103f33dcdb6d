/** Tokenized rows in a few typed arrays, which hold millions of rows and can be posted to workers. */
import { describe, mismatch } from "../core/checks.ts";
import type { TokenisedExample } from "./examples.ts";
import type { ExampleLabel } from "./labels.ts";

/** The tokens of all rows, one row after another. */
export interface PackedTokens {
  /** Number of rows. */
  readonly length: number;
  readonly inputIds: Int32Array;
  readonly tokenTypeIds: Int32Array;
  /** The index after the last token of each row. */
  readonly ends: Uint32Array;
}

/** Rows with their labels: a class or a value each, or a list of numbers each. */
export interface PackedRows extends PackedTokens {
  readonly labels: Float64Array;
  /** The length of each row's list; null if labels are single numbers. */
  readonly listLength: number | null;
}

interface TokenPacker {
  readonly add: (inputIds: ArrayLike<number>, tokenTypeIds: ArrayLike<number>) => void;
  /** Returns all rows that were added. */
  readonly end: () => PackedTokens;
}

const INITIAL_ROWS = 1024;
const INITIAL_TOKENS = 2 ** 15;

/** Returns functions that pack rows one at a time. */
export function createTokenPacker(): TokenPacker {
  let inputIds = new Int32Array(INITIAL_TOKENS);
  let tokenTypeIds = new Int32Array(INITIAL_TOKENS);
  let ends = new Uint32Array(INITIAL_ROWS);
  let length = 0;
  let end = 0;
  return {
    add: (ids, types) => {
      const next = end + ids.length;
      if (next > inputIds.length) {
        const size = Math.max(next, 2 * inputIds.length);
        inputIds = grownTo(inputIds, size);
        tokenTypeIds = grownTo(tokenTypeIds, size);
      }
      if (length === ends.length) {
        const larger = new Uint32Array(2 * length);
        larger.set(ends);
        ends = larger;
      }
      inputIds.set(ids, end);
      tokenTypeIds.set(types, end);
      end = next;
      ends[length++] = end;
    },
    end: () => ({
      length,
      inputIds: inputIds.slice(0, end),
      tokenTypeIds: tokenTypeIds.slice(0, end),
      ends: ends.slice(0, length),
    }),
  };
}

function grownTo(values: Int32Array, size: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(size);
  larger.set(values);
  return larger;
}

/** Packs rows that are already tokenized. @throws RangeError if some labels are lists and some not, or of other lengths */
export function packRows(rows: Iterable<TokenisedExample>): PackedRows {
  const packer = createTokenPacker();
  const labels: number[] = [];
  let row = 0;
  let listLength: number | null = null;
  for (const { inputIds, tokenTypeIds, label } of rows) {
    const own = typeof label === "number" ? null : label.length;
    if (row === 0) listLength = own;
    if (own !== listLength) {
      const expected = listLength === null ? "a number" : `a list of ${listLength}`;
      throw new RangeError(mismatch(`rows[${row}].label`, expected, describe(label)));
    }
    packer.add(inputIds, tokenTypeIds);
    for (const value of typeof label === "number" ? [label] : Array.from(label)) labels.push(value);
    row++;
  }
  return { ...packer.end(), labels: Float64Array.from(labels), listLength };
}

/**
 * Copies the rows at `indices`, and gives them their labels.
 *
 * @param labels the labels of all rows: one number each, or a list of `listLength` numbers each
 */
export function selectRows(
  tokens: PackedTokens,
  indices: Uint32Array,
  labels: ArrayLike<number>,
  listLength: number | null = null,
): PackedRows {
  let size = 0;
  for (const row of indices) size += endOf(tokens, row) - endOf(tokens, row - 1);
  const inputIds = new Int32Array(size);
  const tokenTypeIds = new Int32Array(size);
  const ends = new Uint32Array(indices.length);
  const width = listLength ?? 1;
  const own = new Float64Array(indices.length * width);
  let end = 0;
  indices.forEach((row, index) => {
    const from = endOf(tokens, row - 1);
    const to = endOf(tokens, row);
    inputIds.set(tokens.inputIds.subarray(from, to), end);
    tokenTypeIds.set(tokens.tokenTypeIds.subarray(from, to), end);
    end += to - from;
    ends[index] = end;
    for (let i = 0; i < width; i++) own[index * width + i] = labels[row * width + i] as number;
  });
  return { length: indices.length, inputIds, tokenTypeIds, ends, labels: own, listLength };
}

function endOf({ ends }: PackedTokens, row: number): number {
  return row < 0 ? 0 : (ends[row] as number);
}

/** Returns the rows as a list, whose tokens are views of the packed arrays. */
export function unpackRows(packed: PackedRows): readonly TokenisedExample[] {
  return Array.from({ length: packed.length }, (_, row) => new PackedRow(packed, row));
}

/** A row that makes its views when they are read, because a view takes more memory than a short row. */
class PackedRow implements TokenisedExample {
  readonly #rows: PackedRows;
  readonly #row: number;

  constructor(rows: PackedRows, row: number) {
    this.#rows = rows;
    this.#row = row;
  }

  get inputIds(): Int32Array {
    return this.#of(this.#rows.inputIds);
  }

  get tokenTypeIds(): Int32Array {
    return this.#of(this.#rows.tokenTypeIds);
  }

  get label(): ExampleLabel {
    const { labels, listLength } = this.#rows;
    if (listLength === null) return labels[this.#row] as number;
    return labels.subarray(this.#row * listLength, (this.#row + 1) * listLength);
  }

  #of(values: Int32Array): Int32Array {
    return values.subarray(endOf(this.#rows, this.#row - 1), endOf(this.#rows, this.#row));
  }
}
