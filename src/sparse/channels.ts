/** A matrix without the rows and columns that are all zero: what pruning whole channels leaves. */
import { bitsOf, checkMatrix, type ElementArray, type MatrixShape, zerosLike } from "./elements.ts";

/** A smaller dense matrix and where it lies in the whole one: plain data. */
export interface ChannelMatrix<E extends ElementArray = ElementArray> {
  readonly layout: "channels";
  readonly shape: MatrixShape;
  /** The rows that are stored, ascending. */
  readonly rows: Uint32Array;
  /** The columns that are stored, ascending. */
  readonly columns: Uint32Array;
  /** [rows.length, columns.length] in row-major order. */
  readonly values: E;
}

/**
 * The rows and columns of a matrix that have a bit set.
 *
 * @param mask 1 = kept: counts as a bit set
 */
export function occupiedChannels(
  data: ElementArray,
  [rows, columns]: MatrixShape,
  mask?: Uint8Array,
): { readonly rows: Uint32Array; readonly columns: Uint32Array } {
  const bits = bitsOf(data);
  const [inRow, inColumn] = [new Uint8Array(rows), new Uint8Array(columns)];
  for (let row = 0, i = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, i++) {
      if (((bits[i] as number) | (mask?.[i] ?? 0)) === 0) continue;
      inRow[row] = 1;
      inColumn[column] = 1;
    }
  }
  return { rows: positionsOf(inRow), columns: positionsOf(inColumn) };
}

/** Where marks are 1. Counted first: there may be more of them than a list of numbers should hold. */
function positionsOf(marks: Uint8Array): Uint32Array {
  const positions = new Uint32Array(marks.reduce((sum, mark) => sum + mark, 0));
  let next = 0;
  for (const [i, mark] of marks.entries()) if (mark === 1) positions[next++] = i;
  return positions;
}

/**
 * Packs a row-major matrix: rows and columns whose elements are all +0 are left out.
 *
 * @param mask 1 = kept: rows and columns with a kept element are stored even where all of them are zero
 * @throws TypeError if `data` is of another kind; RangeError if its length is not the shape's
 *
 * @example
 * ```ts
 * import { packChannels, unpackChannels } from "espalier/sparse";
 *
 * const weight = Float32Array.of(1, 0, 2, 0, 0, 0, 3, 0, 0);
 * const packed = packChannels(weight, [3, 3]);
 * console.assert(packed.rows.join() === "0,2" && packed.columns.join() === "0,2");
 * console.assert(packed.values.join() === "1,2,3,0");
 * console.assert(unpackChannels(packed).join() === weight.join());
 * ```
 */
export function packChannels<E extends ElementArray>(
  data: E,
  shape: MatrixShape,
  mask?: Uint8Array,
): ChannelMatrix<E> {
  checkMatrix(data, shape, mask);
  const { rows, columns } = occupiedChannels(data, shape, mask);
  const values = zerosLike(data, rows.length * columns.length);
  const [from, to] = [bitsOf(data), bitsOf(values)];
  let next = 0;
  for (const row of rows)
    for (const column of columns) to[next++] = from[row * shape[1] + column] as number;
  return { layout: "channels", shape: [...shape], rows, columns, values };
}

/**
 * The dense row-major matrix of a packed one; what is not stored is +0.
 *
 * @example
 * ```ts
 * import { packChannels, unpackChannels } from "espalier/sparse";
 *
 * const nothing = packChannels(new Float32Array(6), [2, 3]);
 * console.assert(nothing.values.length === 0 && unpackChannels(nothing).length === 6);
 * ```
 */
export function unpackChannels<E extends ElementArray>(matrix: ChannelMatrix<E>): E {
  const { shape, rows, columns, values } = matrix;
  const dense = zerosLike(values, shape[0] * shape[1]);
  const [from, to] = [bitsOf(values), bitsOf(dense)];
  let next = 0;
  for (const row of rows)
    for (const column of columns) to[row * shape[1] + column] = from[next++] as number;
  return dense;
}
