/**
 * N:M: of every M neighbours in a row M - N are stored, with their positions in the group. 2:4 is the form that sparse
 * tensor cores read: half of the values, and two bits for each.
 */
import { checkInteger, mismatch } from "../core/checks.ts";
import { bitsOf, checkMatrix, type ElementArray, type MatrixShape, zerosLike } from "./elements.ts";

/** What of a group is zero: `{ prune: 2, of: 4 }` for 2:4. */
export interface GroupShape {
  readonly prune: number;
  readonly of: number;
}

/** A matrix in groups: plain data. The last group of a row may reach beyond the matrix. */
export interface GroupMatrix<E extends ElementArray = ElementArray> extends GroupShape {
  readonly layout: "groups";
  readonly shape: MatrixShape;
  /** of - prune values for each group; +0 beyond the matrix's edge. */
  readonly values: E;
  /**
   * Each value's position in its group, ascending within it: as many bits as `of - 1` needs, one position after the
   * other, the lowest bit of a byte first.
   */
  readonly indices: Uint8Array;
}

/** The most neighbours in a group: a position has to fit into a byte. */
export const MOST_IN_GROUP = 256;

/** Bits of a position in a group. */
export function positionBits(of: number): number {
  return 32 - Math.clz32(of - 1);
}

/** How many values are stored, and in how many bytes their positions. */
export function groupSizes(
  [rows, columns]: MatrixShape,
  { prune, of }: GroupShape,
): { readonly values: number; readonly indexBytes: number } {
  const values = rows * Math.ceil(columns / of) * (of - prune);
  return { values, indexBytes: Math.ceil((values * positionBits(of)) / 8) };
}

/** Checks what a group is. */
export function checkGroup({ prune, of }: GroupShape): void {
  checkInteger("of", of, 2, MOST_IN_GROUP);
  checkInteger("prune", prune, 1, of - 1);
}

/** How many elements of a group have a bit set. */
function occupiedIn(bits: Uint32Array | Uint16Array, start: number, end: number): number {
  let count = 0;
  for (let i = start; i < end; i++) if (bits[i] !== 0) count++;
  return count;
}

/** The first group with fewer zeros (+0) than N, by row and first column. */
export function firstFullGroup(
  data: ElementArray,
  [rows, columns]: MatrixShape,
  { prune, of }: GroupShape,
): { readonly row: number; readonly column: number; readonly zeros: number } | null {
  const bits = bitsOf(data);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column += of) {
      const start = row * columns + column;
      const occupied = occupiedIn(bits, start, start + Math.min(of, columns - column));
      if (occupied > of - prune) return { row, column, zeros: of - occupied };
    }
  }
  return null;
}

/** The byte of a bit. By division: a shift would wrap at 2^32 bits, which a large matrix has. */
function byteOf(bit: number): number {
  return Math.floor(bit / 8);
}

/** Writes one position; those before it are there already. */
function writePosition(indices: Uint8Array, at: number, bits: number, position: number): void {
  const bit = at * bits;
  const word = position << (bit & 7);
  const byte = byteOf(bit);
  indices[byte] = (indices[byte] as number) | (word & 255);
  if (word > 255) indices[byte + 1] = word >>> 8;
}

/** Reads one position. */
export function readPosition(indices: Uint8Array, at: number, bits: number): number {
  const bit = at * bits;
  const byte = byteOf(bit);
  const word = (indices[byte] as number) | ((indices[byte + 1] ?? 0) << 8);
  return (word >>> (bit & 7)) & ((1 << bits) - 1);
}

/**
 * Packs a row-major matrix of which every group has N elements that are +0. Where a group has more, the lowest of its
 * zeros are stored with the values.
 *
 * @throws TypeError if `data` is of another kind; RangeError if its length is not the shape's, or a group has fewer
 *   zeros: the first one is named
 *
 * @example
 * ```ts
 * import { packGroups, packedBytes, unpackGroups } from "espalier/sparse";
 *
 * const weight = Float32Array.of(0, 5, 0, 6, 7, 0, 0, 8);
 * const packed = packGroups(weight, [2, 4], { prune: 2, of: 4 });
 * console.assert(packed.values.join() === "5,6,7,8" && packed.indices[0] === 0b11_00_11_01);
 * console.assert(packedBytes(packed) === 17 && unpackGroups(packed).join() === weight.join());
 * ```
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
        const word = position < inside ? (from[start + position] as number) : 0;
        if (word === 0 && spare-- <= 0) continue;
        to[slot] = word;
        writePosition(indices, slot++, width, position);
      }
    }
  }
  return { layout: "groups", shape: [...shape], prune, of, values, indices };
}

/**
 * The dense row-major matrix of a packed one; what is not stored is +0.
 *
 * @example
 * ```ts
 * import { packGroups, unpackGroups } from "espalier/sparse";
 *
 * const bits = Uint16Array.of(0, 0x3c00, 0x8000, 0);
 * const packed = packGroups(bits, [1, 4], { prune: 2, of: 4 });
 * console.assert(unpackGroups(packed)[2] === 0x8000, "-0 is stored");
 * ```
 */
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
        if (at < columns) to[row * columns + at] = from[slot] as number;
      }
    }
  }
  return dense;
}
