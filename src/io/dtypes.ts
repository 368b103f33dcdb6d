/**
 * Defines the element types of checkpoint files, and converts them to and from 32-bit floats. Values in files are
 * little-endian, as typed arrays are on every platform that runs WebAssembly.
 */
import { checkBytes, checkOneOf, mismatch } from "../core/checks.ts";
import {
  bfloat16FromFloat32Bits,
  float16FromFloat32Bits,
  float32BitsFromBfloat16,
  float32BitsFromFloat16,
} from "../core/half.ts";
import { type Float8, widenFloat8 } from "./float8.ts";

/** The typed arrays that {@link rawElements} returns. */
type RawElements =
  | Uint8Array
  | Int8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

interface ElementArray {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): RawElements;
}

/** The name of an element type in safetensors. */
export type Dtype =
  | "BOOL"
  | "F4"
  | "F6_E2M3"
  | "F6_E3M2"
  | "U8"
  | "I8"
  | Float8
  | "I16"
  | "U16"
  | "F16"
  | "BF16"
  | "I32"
  | "U32"
  | "F32"
  | "C64"
  | "F64"
  | "I64"
  | "U64";

/**
 * The size in bits of every element type, in the order of the official safetensors implementation, by increasing
 * alignment. This order determines the order of tensors in a file.
 */
const BITS: Readonly<Record<Dtype, number>> = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
};

export const DTYPES: readonly Dtype[] = /* @__PURE__ */ Object.keys(BITS) as Dtype[];

/** Whether `value` names a known element type. */
export function isDtype(value: unknown): value is Dtype {
  return typeof value === "string" && Object.hasOwn(BITS, value);
}

/** Returns the size of an element in bytes. It is a fraction for F4 and F6, whose elements are packed. */
export function elementBytes(dtype: Dtype): number {
  return BITS[dtype] / 8;
}

/** The typed arrays of elements. Those of other types are bytes. */
const ARRAYS: Readonly<Partial<Record<Dtype, ElementArray>>> = {
  I8: Int8Array,
  I16: Int16Array,
  U16: Uint16Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I32: Int32Array,
  U32: Uint32Array,
  F32: Float32Array,
  C64: Float32Array,
  F64: Float64Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
};

/** The types whose elements can only be copied. */
const OPAQUE: readonly Dtype[] = ["F4", "F6_E2M3", "F6_E3M2", "C64"];

/** Whether elements of this type convert to 32-bit floats. */
export function hasNumbers(dtype: Dtype): boolean {
  return !isFloat8(dtype) && !OPAQUE.includes(dtype);
}

/** Whether {@link widenForZeros} accepts a type. */
export function hasCountableZeros(dtype: Dtype): boolean {
  return !OPAQUE.includes(dtype);
}

/**
 * Returns bytes as a typed array: BOOL and 4-, 6- and 8-bit floats as bytes, F16 and BF16 as bit patterns, 64-bit
 * integers as BigInt, C64 as pairs of floats. The result is a view if the bytes are aligned, otherwise a copy.
 * `bytes.length` must be a multiple of the element size.
 *
 * @example
 * ```ts
 * import { rawElements, readSafetensorsOrThrow, writeSafetensors } from "espalier/io";
 *
 * const ids = { dtype: "I64", shape: [1], bytes: Uint8Array.of(7, 0, 0, 0, 0, 0, 0, 0) } as const;
 * const { tensors } = readSafetensorsOrThrow(writeSafetensors(new Map([["ids", ids]])));
 * const stored = tensors.get("ids");
 * if (stored === undefined) throw new Error("expected the tensor");
 * if (rawElements(stored.dtype, stored.bytes)[0] !== 7n) throw new Error("expected a BigInt");
 * ```
 */
export function rawElements(dtype: Dtype, bytes: Uint8Array): RawElements {
  checkOneOf("dtype", dtype, DTYPES);
  checkBytes("bytes", bytes);
  const array = ARRAYS[dtype] ?? Uint8Array;
  const { buffer, byteOffset } = alignedTo(array.BYTES_PER_ELEMENT, bytes);
  return new array(buffer, byteOffset, bytes.byteLength / array.BYTES_PER_ELEMENT);
}

/** Returns `bytes`, or a copy of them, at an offset that is a multiple of `size`. */
function alignedTo(size: number, bytes: Uint8Array): Uint8Array {
  // Not `slice()`: the slice of a Buffer is a view.
  return bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
}

/**
 * Converts elements to 32-bit floats in a new array: exactly from F32, F16, BF16, BOOL and 8- and 16-bit integers;
 * rounded to nearest even from F64 and wider integers.
 *
 * @throws RangeError for a type that {@link hasNumbers} excludes
 */
export function widenToFloat32(dtype: Dtype, bytes: Uint8Array): Float32Array {
  if (!hasNumbers(dtype))
    throw new RangeError(mismatch("dtype", "a type of numbers to compute with", dtype));
  const out = new Float32Array(bytes.byteLength / elementBytes(dtype));
  const bits = new Uint32Array(out.buffer);
  // Copied as bytes, because an engine may alter the payload of a NaN when a float passes through a register.
  if (dtype === "F32") new Uint8Array(out.buffer).set(bytes);
  else if (dtype === "BF16") widenBfloat16(bytes, bits);
  else if (dtype === "F16") widenFloat16(bytes, bits);
  else {
    const raw = rawElements(dtype, bytes);
    if (raw instanceof BigInt64Array || raw instanceof BigUint64Array)
      widenInteger64(dtype === "I64", bytes, out);
    else out.set(raw);
  }
  return out;
}

function widenBfloat16(bytes: Uint8Array, bits: Uint32Array): void {
  const { buffer, byteOffset } = alignedTo(2, bytes);
  const raw = new Uint16Array(buffer, byteOffset, bits.length);
  for (let i = 0; i < bits.length; i++) bits[i] = float32BitsFromBfloat16(raw[i] ?? 0);
}

/** The float32 bit patterns of all 2^16 float16 values, computed at the first use. */
let float16Table: Uint32Array | undefined;

function widenFloat16(bytes: Uint8Array, bits: Uint32Array): void {
  float16Table ??= Uint32Array.from({ length: 0x10000 }, (_, half) => float32BitsFromFloat16(half));
  const table = float16Table;
  const { buffer, byteOffset } = alignedTo(2, bytes);
  const raw = new Uint16Array(buffer, byteOffset, bits.length);
  for (let i = 0; i < bits.length; i++) bits[i] = table[raw[i] ?? 0] ?? 0;
}

/**
 * Converts 64-bit integers, read as pairs of 32-bit words with the low word first. A double holds at most 53 bits, and
 * rounding first to a double, then to a float would round twice. So the lowest 11 bits of large values are merged into
 * one bit (rounding to odd). This leaves 53 bits and cannot change the final rounding to 24 bits.
 */
function widenInteger64(signed: boolean, bytes: Uint8Array, out: Float32Array): void {
  const { buffer, byteOffset } = alignedTo(4, bytes);
  const words = new Int32Array(buffer, byteOffset, 2 * out.length);
  for (let i = 0; i < out.length; i++) {
    const high = signed ? (words[2 * i + 1] ?? 0) : (words[2 * i + 1] ?? 0) >>> 0;
    const low = (words[2 * i] ?? 0) >>> 0;
    const isExact = high >= -(2 ** 21) && high < 2 ** 21;
    const odd = isExact || (low & 0x7ff) === 0 ? low : ((low & ~0x7ff) | 0x800) >>> 0;
    out[i] = high * 2 ** 32 + odd;
  }
}

/**
 * Converts elements for counting zeros and comparing magnitudes: F64 to doubles, because tiny values would round to
 * zero as floats; 8-bit floats without their scale; all other types as {@link widenToFloat32} does. The result may
 * share the memory of `bytes`.
 *
 * @throws RangeError for a type that {@link hasCountableZeros} excludes
 */
export function widenForZeros(dtype: Dtype, bytes: Uint8Array): Float32Array | Float64Array {
  if (dtype === "F64") {
    const { buffer, byteOffset } = alignedTo(8, bytes);
    return new Float64Array(buffer, byteOffset, bytes.byteLength / 8);
  }
  if (isFloat8(dtype)) return widenFloat8(dtype, bytes);
  return widenToFloat32(dtype, bytes);
}

/** Whether zeros of a type can be counted, but its values need a scale from another tensor. */
function isFloat8(dtype: Dtype): dtype is Float8 {
  return dtype.startsWith("F8");
}

/**
 * Converts 32-bit floats to the bytes of a float type: exactly to F32 and F64, rounded to nearest even to F16 and BF16.
 */
export function narrowFromFloat32(
  dtype: "F64" | "F32" | "F16" | "BF16",
  values: Float32Array,
): Uint8Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  switch (dtype) {
    case "F64":
      return bytesOf(Float64Array.from(values));
    case "F32":
      return bytesOf(bits.slice());
    case "F16":
      return bytesOf(Uint16Array.from(bits, float16FromFloat32Bits));
    case "BF16":
      return bytesOf(Uint16Array.from(bits, bfloat16FromFloat32Bits));
    default:
      return dtype satisfies never;
  }
}

/** Returns the bytes of a typed array, which share its memory. */
export function bytesOf(array: RawElements): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
