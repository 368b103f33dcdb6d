import { bitsOf, checkMatrix, type ElementArray, type MatrixShape, zerosLike } from "./elements.ts";

/** A matrix stored without its zero rows and zero columns, such as pruned channels. Plain data. */
export interface ChannelMatrix<E extends ElementArray = ElementArray> {
  readonly layout: "channels";
  readonly shape: MatrixShape;
  /** The indices of the stored rows, ascending. */
  readonly rows: Uint32Array;
  /** The indices of the stored columns, ascending. */
  readonly columns: Uint32Array;
  /** [rows.length, columns.length], row-major. */
  readonly values: E;
}

/** Sets to 1 the marks of rows and columns in which any element is not +0 or is kept by `mask`. */
export function markOccupiedInto(
  data: ElementArray,
  mask: Uint8Array | undefined,
  inRow: Uint8Array,
  inColumn: Uint8Array,
): void {
  const bits = bitsOf(data);
  for (let row = 0, i = 0; row < inRow.length; row++) {
    for (let column = 0; column < inColumn.length; column++, i++) {
      if ((bits[i] | (mask?.[i] ?? 0)) === 0) continue;
      inRow[row] = 1;
      inColumn[column] = 1;
    }
  }
}

/** Finds the rows and columns in which any element is not +0 or is kept by `mask`. */
export function occupiedChannels(
  data: ElementArray,
  [rows, columns]: MatrixShape,
  mask?: Uint8Array,
): { readonly rows: Uint32Array; readonly columns: Uint32Array } {
  const [inRow, inColumn] = [new Uint8Array(rows), new Uint8Array(columns)];
  markOccupiedInto(data, mask, inRow, inColumn);
  return { rows: positionsOf(inRow), columns: positionsOf(inColumn) };
}

/** Returns the positions of the ones. They are counted first, so that the array has the right length. */
function positionsOf(marks: Uint8Array): Uint32Array {
  const positions = new Uint32Array(marks.reduce((sum, mark) => sum + mark, 0));
  let next = 0;
  for (const [i, mark] of marks.entries()) if (mark === 1) positions[next++] = i;
  return positions;
}

/**
 * Packs a row-major matrix: omits the rows and the columns in which every element is +0 and pruned by `mask`, if given.
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
  for (const row of rows) for (const column of columns) to[next++] = from[row * shape[1] + column];
  return { layout: "channels", shape: [...shape], rows, columns, values };
}

/** Returns the dense row-major matrix. Elements that are not stored are +0. */
export function unpackChannels<E extends ElementArray>(matrix: ChannelMatrix<E>): E {
  const { shape, rows, columns, values } = matrix;
  const dense = zerosLike(values, shape[0] * shape[1]);
  const [from, to] = [bitsOf(values), bitsOf(dense)];
  let next = 0;
  for (const row of rows) for (const column of columns) to[row * shape[1] + column] = from[next++];
  return dense;
}
