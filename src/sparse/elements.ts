/** The elements of a layout. They are copied as bits, so that -0 and the payloads of NaN survive. */
import { checkInteger, checkKind, mismatch } from "../core/checks.ts";

/** Elements of a weight: 32-bit floats, or the bits of float16 or bfloat16 numbers. */
export type ElementArray = Float32Array | Uint16Array;

export type MatrixShape = readonly [rows: number, columns: number];

/** The elements as words of bits, on the same memory. */
export function bitsOf(data: ElementArray): Uint32Array | Uint16Array {
  return data instanceof Float32Array
    ? new Uint32Array(data.buffer, data.byteOffset, data.length)
    : data;
}

/** An array of zeros of the same type. */
export function zerosLike<E extends ElementArray>(data: E, length: number): E {
  return (data instanceof Float32Array ? new Float32Array(length) : new Uint16Array(length)) as E;
}

/** Checks a matrix and its mask against the shape. @throws TypeError or RangeError */
export function checkMatrix(data: ElementArray, shape: MatrixShape, mask?: Uint8Array): void {
  checkInteger("shape[0]", shape[0]);
  checkInteger("shape[1]", shape[1]);
  const isElements = data instanceof Float32Array || data instanceof Uint16Array;
  checkKind(isElements, "data", "a Float32Array, or a Uint16Array of bits", data);
  const count = shape[0] * shape[1];
  if (data.length !== count)
    throw new RangeError(mismatch("data", `${count} elements`, data.length));
  if (mask === undefined) return;
  checkKind(mask instanceof Uint8Array, "mask", "a Uint8Array", mask);
  if (mask.length !== count)
    throw new RangeError(mismatch("mask", `${count} elements`, mask.length));
}

/** An array of indices below `count`, of two bytes each if that is enough. */
export function indexArray(length: number, count: number): Uint16Array | Uint32Array {
  return count <= 0x10000 ? new Uint16Array(length) : new Uint32Array(length);
}
