import { checkInteger, mismatch } from "../core/checks.ts";
import { bitsOf, checkMatrix, type ElementArray, type MatrixShape, zerosLike } from "./elements.ts";

/** The number of zeros and the number of elements in a group: `{ prune: 2, of: 4 }` for 2:4. */
export interface GroupShape {
  readonly prune: number;
  readonly of: number;
}

/**
 * A matrix that stores M - N elements of each group of an N:M pattern, with their positions in the group, like the
 * format of sparse tensor cores. The last group of a row may extend beyond the matrix. Plain data.
 */
export interface GroupMatrix<E extends ElementArray = ElementArray> extends GroupShape {
  readonly layout: "groups";
  readonly shape: MatrixShape;
  /** The stored elements, `of - prune` for each group; +0 beyond the edge of the matrix. */
  readonly values: E;
  /**
   * The position of each value in its group, ascending within a group. A position takes as many bits as the number `of
   * - 1`; positions are packed into bytes with the lowest bit first.
   */
  readonly indices: Uint8Array;
}

/** The maximum number of elements in a group: a position must fit into a byte. */
export const MOST_IN_GROUP = 256;

export function positionBits(of: number): number {
  return 32 - Math.clz32(of - 1);
}

/** Returns the number of stored values, and the size of their positions in bytes. */
export function groupSizes(
  [rows, columns]: MatrixShape,
  { prune, of }: GroupShape,
): { readonly values: number; readonly indexBytes: number } {
  const values = rows * Math.ceil(columns / of) * (of - prune);
  return { values, indexBytes: Math.ceil((values * positionBits(of)) / 8) };
}

export function checkGroup({ prune, of }: GroupShape): void {
  checkInteger("of", of, 2, MOST_IN_GROUP);
  checkInteger("prune", prune, 1, of - 1);
}

function occupiedIn(bits: Uint32Array | Uint16Array, start: number, end: number): number {
  let count = 0;
  // The positions of zeros look random, so a branch on them would often be mispredicted.
  for (let i = start; i < end; i++) count += Number(bits[i] !== 0);
  return count;
}

/**
 * Whether each group of four has at most `most` elements that are not +0. The rows must consist of whole groups.
 * Unrolled, which takes a third of the time of a loop over each group.
 */
function fitGroupsOfFour(bits: Uint32Array | Uint16Array, most: number): boolean {
  let full = 0;
  for (let i = 0; i < bits.length; i += 4) {
    const low = Number(bits[i] !== 0) + Number(bits[i + 1] !== 0);
    const high = Number(bits[i + 2] !== 0) + Number(bits[i + 3] !== 0);
    full |= Number(low + high > most);
  }
  return full === 0;
}

/**
 * Finds the first group with fewer than N zeros (+0). Returns its row, its first column and its number of zeros,
 * or null if every group has enough.
 */
export function firstFullGroup(
  data: ElementArray,
  [rows, columns]: MatrixShape,
  { prune, of }: GroupShape,
): { readonly row: number; readonly column: number; readonly zeros: number } | null {
  const bits = bitsOf(data);
  if (of === 4 && columns % 4 === 0 && fitGroupsOfFour(bits, of - prune)) return null;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column += of) {
      const start = row * columns + column;
      const occupied = occupiedIn(bits, start, start + Math.min(of, columns - column));
      if (occupied > of - prune) return { row, column, zeros: of - occupied };
    }
  }
  return null;
}

// The byte is found by division, because a shift truncates to 32 bits, and bit positions can be larger.
function writePosition(indices: Uint8Array, at: number, bits: number, position: number): void {
  const bit = at * bits;
  const word = position << (bit & 7);
  const byte = Math.floor(bit / 8);
  indices[byte] |= word & 255;
  if (word > 255) indices[byte + 1] = word >>> 8;
}

export function readPosition(indices: Uint8Array, at: number, bits: number): number {
  const bit = at * bits;
  const byte = Math.floor(bit / 8);
  const word = indices[byte] | ((indices[byte + 1] ?? 0) << 8);
  return (word >>> (bit & 7)) & ((1 << bits) - 1);
}

/**
 * Packs a row-major matrix in which each group has at least N zeros (+0). If a group has more than N zeros, its first
 * zeros are stored like other elements.
 *
 * @throws RangeError that names the first group with fewer than N zeros
 */
export function packGroups<E extends ElementArray>(
  data: E,
  shape: MatrixShape,
  group: GroupShape,
): GroupMatrix<E> {
  checkGroup(group);
  checkMatrix(data, shape);
  const { prune, of } = group;
  const full = firstFullGroup(data, shape, group);
  if (full !== null) {
    const where = `data at row ${full.row}, columns from ${full.column}`;
    throw new RangeError(mismatch(where, `${prune} zeros of ${of}`, full.zeros));
  }
  const sizes = groupSizes(shape, group);
  const values = zerosLike(data, sizes.values);
  const indices = new Uint8Array(sizes.indexBytes);
  const [from, to] = [bitsOf(data), bitsOf(values)];
  const [rows, columns] = shape;
  const width = positionBits(of);
  let slot = 0;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column += of) {
      const start = row * columns + column;
      const inside = Math.min(of, columns - column);
      let spare = of - prune - occupiedIn(from, start, start + inside);
      for (let position = 0; position < of; position++) {
        const word = position < inside ? from[start + position] : 0;
        if (word === 0 && spare-- <= 0) continue;
        to[slot] = word;
        writePosition(indices, slot++, width, position);
      }
    }
  }
  return { layout: "groups", shape: [...shape], prune, of, values, indices };
}

/** Returns the dense row-major matrix. Elements that are not stored are +0. */
export function unpackGroups<E extends ElementArray>(matrix: GroupMatrix<E>): E {
  const { shape, prune, of, values, indices } = matrix;
  const [rows, columns] = shape;
  const dense = zerosLike(values, rows * columns);
  const [from, to] = [bitsOf(values), bitsOf(dense)];
  const width = positionBits(of);
  let slot = 0;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column += of) {
      for (let i = 0; i < of - prune; i++, slot++) {
        const at = column + readPosition(indices, slot, width);
        if (at < columns) to[row * columns + at] = from[slot];
      }
    }
  }
  return dense;
}
