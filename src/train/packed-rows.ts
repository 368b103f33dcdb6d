/** Tokenized rows in a few typed arrays, which hold millions of rows and can be posted to workers. */
import { describe, mismatch } from "../core/checks.ts";
import type { TokenisedExample } from "./examples.ts";
import type { ExampleLabel } from "./labels.ts";

/** The tokens of rows, anywhere in arrays that several sets of rows may share. */
export interface PackedTokens {
  /** Number of rows. */
  readonly length: number;
  readonly inputIds: Int32Array;
  readonly tokenTypeIds: Uint8Array;
  /** The index of the first token of each row. */
  readonly begins: Uint32Array;
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

/** Returns functions that pack rows one at a time. `add` throws a RangeError for a token type above 255. */
export function createTokenPacker(): TokenPacker {
  let inputIds = new Int32Array(INITIAL_TOKENS);
  let tokenTypeIds = new Uint8Array(INITIAL_TOKENS);
  let ends = new Uint32Array(INITIAL_ROWS);
  let length = 0;
  let end = 0;
  return {
    add: (ids, types) => {
      const next = end + ids.length;
      if (next > inputIds.length) {
        const size = Math.max(next, 2 * inputIds.length);
        inputIds = copyInto(new Int32Array(size), inputIds);
        tokenTypeIds = copyInto(new Uint8Array(size), tokenTypeIds);
      }
      if (length === ends.length) ends = copyInto(new Uint32Array(2 * length), ends);
      for (let i = 0; i < types.length; i++)
        if ((types[i] as number) > 0xff)
          throw new RangeError(mismatch("tokenTypeIds", "at most 255", String(types[i])));
      inputIds.set(ids, end);
      tokenTypeIds.set(types, end);
      end = next;
      ends[length++] = end;
    },
    end: () => {
      const begins = new Uint32Array(length);
      begins.set(ends.subarray(0, Math.max(0, length - 1)), Math.min(1, length));
      return {
        length,
        inputIds: inputIds.slice(0, end),
        tokenTypeIds: tokenTypeIds.slice(0, end),
        begins,
        ends: ends.slice(0, length),
      };
    },
  };
}

function copyInto<Values extends Int32Array | Uint8Array | Uint32Array>(
  larger: Values,
  values: Values,
): Values {
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
 * Returns the rows at `indices` with their labels. Their tokens stay in the arrays of all rows.
 *
 * @param labels the labels of all rows: one number each, or a list of `listLength` numbers each
 */
export function selectRows(
  { inputIds, tokenTypeIds, begins, ends }: PackedTokens,
  indices: Uint32Array,
  labels: ArrayLike<number>,
  listLength: number | null = null,
): PackedRows {
  const width = listLength ?? 1;
  const own = new Float64Array(indices.length * width);
  indices.forEach((row, index) => {
    for (let i = 0; i < width; i++) own[index * width + i] = labels[row * width + i] as number;
  });
  return {
    length: indices.length,
    inputIds,
    tokenTypeIds,
    begins: indices.map((row) => begins[row] as number),
    ends: indices.map((row) => ends[row] as number),
    labels: own,
    listLength,
  };
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
    const { inputIds, begins, ends } = this.#rows;
    return inputIds.subarray(begins[this.#row], ends[this.#row]);
  }

  get tokenTypeIds(): Uint8Array {
    const { tokenTypeIds, begins, ends } = this.#rows;
    return tokenTypeIds.subarray(begins[this.#row], ends[this.#row]);
  }

  get label(): ExampleLabel {
    const { labels, listLength } = this.#rows;
    if (listLength === null) return labels[this.#row] as number;
    return labels.subarray(this.#row * listLength, (this.#row + 1) * listLength);
  }
}
