/** The elements of packed matrices. They are copied as bits, which preserves -0 and the bits of every NaN. */
import { checkInteger, checkKind, checkList, isTypedArray, mismatch } from "../core/checks.ts";

/** Elements of a weight: 32-bit floats, or the bits of float16 or bfloat16 numbers. */
export type ElementArray = Float32Array | Uint16Array;

export type MatrixShape = readonly [rows: number, columns: number];

/** Returns a view of the elements as bits. */
export function bitsOf(data: ElementArray): Uint32Array | Uint16Array {
  return isTypedArray(data, "Float32Array")
    ? new Uint32Array(data.buffer, data.byteOffset, data.length)
    : data;
}

/** Creates an array of zeros with the type of `data`. */
export function zerosLike<E extends ElementArray>(data: E, length: number): E {
  return (
    isTypedArray(data, "Float32Array") ? new Float32Array(length) : new Uint16Array(length)
  ) as E;
}

/**
 * Checks the types of a matrix and its mask, and that both have as many elements as the shape.
 *
 * @throws TypeError or RangeError
 */
export function checkMatrix(data: ElementArray, shape: MatrixShape, mask?: Uint8Array): void {
  checkList("shape", shape);
  checkInteger("shape[0]", shape[0]);
  checkInteger("shape[1]", shape[1]);
  const isElements = isTypedArray(data, "Float32Array") || isTypedArray(data, "Uint16Array");
  checkKind(isElements, "data", "a Float32Array, or a Uint16Array of bits", data);
  checkCount("data", data, shape);
  if (mask === undefined) return;
  checkKind(isTypedArray(mask, "Uint8Array"), "mask", "a Uint8Array", mask);
  checkCount("mask", mask, shape);
}

function checkCount(name: string, { length }: ArrayLike<number>, shape: MatrixShape): void {
  const [rows, columns] = shape;
  if (length === rows * columns) return;
  const got = `${length} for the shape ${rows}x${columns}`;
  throw new RangeError(mismatch(name, `${rows * columns} elements`, got));
}

/** Creates an array for indices below `count`, with 16 bits for each index if that suffices. */
export function indexArray(length: number, count: number): Uint16Array | Uint32Array {
  return count <= 0x10000 ? new Uint16Array(length) : new Uint32Array(length);
}
