/** A bit for each element, and the elements whose bit is set: for weights without structure. */
import { bitsOf, checkMatrix, type ElementArray, type MatrixShape, zerosLike } from "./elements.ts";

/** A matrix with a bit for each element: plain data. */
export interface BitmaskMatrix<E extends ElementArray = ElementArray> {
  readonly layout: "bitmask";
  readonly shape: MatrixShape;
  /** One bit for each element in row-major order, the lowest of a byte first; 1 = stored. */
  readonly bits: Uint8Array;
  /** The stored elements in row-major order. */
  readonly values: E;
}

/**
 * Packs a row-major matrix: elements are left out where they are +0.
 *
 * @param mask 1 = kept: such elements are stored even where they are zero, so that the mask survives
 * @throws TypeError if `data` is of another kind; RangeError if its length is not the shape's
 *
 * @example
 * ```ts
 * import { packBitmask, packedBytes, unpackBitmask } from "espalier/sparse";
 *
 * const weight = Float32Array.of(0, 5, 0, 0, 0, 0, 0, 0, 7);
 * const packed = packBitmask(weight, [3, 3]);
 * console.assert(packed.bits.join() === "2,1" && packedBytes(packed) === 2 + 8);
 * console.assert(unpackBitmask(packed).join() === weight.join());
 * ```
 */
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
    if (((from[i] as number) | (mask?.[i] ?? 0)) === 0) continue;
    bits[i >>> 3] = (bits[i >>> 3] as number) | (1 << (i & 7));
    count++;
  }
  const values = zerosLike(data, count);
  const to = bitsOf(values);
  let next = 0;
  for (let i = 0; i < from.length; i++) if (isSet(bits, i)) to[next++] = from[i] as number;
  return { layout: "bitmask", shape: [...shape], bits, values };
}

/** Whether the bit of an element is set. */
export function isSet(bits: Uint8Array, index: number): boolean {
  return (((bits[index >>> 3] as number) >>> (index & 7)) & 1) === 1;
}

/**
 * The dense row-major matrix of a packed one; what is not stored is +0.
 *
 * @example
 * ```ts
 * import { packBitmask, unpackBitmask } from "espalier/sparse";
 *
 * const packed = packBitmask(Float32Array.of(0, -0), [1, 2]);
 * console.assert(Object.is(unpackBitmask(packed)[1], -0));
 * ```
 */
export function unpackBitmask<E extends ElementArray>(matrix: BitmaskMatrix<E>): E {
  const { shape, bits, values } = matrix;
  const dense = zerosLike(values, shape[0] * shape[1]);
  const [from, to] = [bitsOf(values), bitsOf(dense)];
  let next = 0;
  for (let i = 0; i < to.length; i++) if (isSet(bits, i)) to[i] = from[next++] as number;
  return dense;
}
