import { bitsOf, checkMatrix, type ElementArray, type MatrixShape, zerosLike } from "./elements.ts";

/**
 * A matrix stored as a bit mask and the elements whose bits are set, for weights whose zeros have no pattern. Plain
 * data.
 */
export interface BitmaskMatrix<E extends ElementArray = ElementArray> {
  readonly layout: "bitmask";
  readonly shape: MatrixShape;
  /** One bit for each element in row-major order, starting with the lowest bit of each byte; 1 = stored. */
  readonly bits: Uint8Array;
  /** The stored elements in row-major order. */
  readonly values: E;
}

/** Packs a row-major matrix: stores the elements that are not +0 or that `mask` keeps. */
export function packBitmask<E extends ElementArray>(
  data: E,
  shape: MatrixShape,
  mask?: Uint8Array,
): BitmaskMatrix<E> {
  checkMatrix(data, shape, mask);
  const from = bitsOf(data);
  const bits = new Uint8Array(Math.ceil(data.length / 8));
  let count = 0;
  for (let i = 0; i < from.length; i++) {
    if ((from[i] | (mask?.[i] ?? 0)) === 0) continue;
    bits[i >>> 3] |= 1 << (i & 7);
    count++;
  }
  const values = zerosLike(data, count);
  const to = bitsOf(values);
  let next = 0;
  for (let i = 0; i < from.length; i++) if (isSet(bits, i)) to[next++] = from[i];
  return { layout: "bitmask", shape: [...shape], bits, values };
}

export function isSet(bits: Uint8Array, index: number): boolean {
  return ((bits[index >>> 3] >>> (index & 7)) & 1) === 1;
}

/** Returns the dense row-major matrix. Elements that are not stored are +0. */
export function unpackBitmask<E extends ElementArray>(matrix: BitmaskMatrix<E>): E {
  const { shape, bits, values } = matrix;
  const dense = zerosLike(values, shape[0] * shape[1]);
  const [from, to] = [bitsOf(values), bitsOf(dense)];
  let next = 0;
  for (let i = 0; i < to.length; i++) if (isSet(bits, i)) to[i] = from[next++];
  return dense;
}
