/**
 * The element types of checkpoint files, and conversions to and from 32-bit floats. Values in files are little-endian,
 * as typed arrays are on every platform that runs WebAssembly.
 */
import {
  bfloat16FromFloat32Bits,
  float16FromFloat32Bits,
  float32BitsFromBfloat16,
  float32BitsFromFloat16,
} from "../core/half.ts";

/** A typed array of a tensor's elements. BOOL is stored as bytes, F16 and BF16 as bit patterns. */
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
  | "U8"
  | "I8"
  | "I16"
  | "U16"
  | "F16"
  | "BF16"
  | "I32"
  | "U32"
  | "F32"
  | "F64"
  | "I64"
  | "U64";

/**
 * Every element type, in the order of the official safetensors implementation (increasing alignment). Tensors are
 * sorted in this order in a file.
 */
const ARRAYS: Readonly<Record<Dtype, ElementArray>> = {
  BOOL: Uint8Array,
  U8: Uint8Array,
  I8: Int8Array,
  I16: Int16Array,
  U16: Uint16Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I32: Int32Array,
  U32: Uint32Array,
  F32: Float32Array,
  F64: Float64Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
};

export const DTYPES: readonly Dtype[] = /* @__PURE__ */ Object.keys(ARRAYS) as Dtype[];

export function elementBytes(dtype: Dtype): number {
  return ARRAYS[dtype].BYTES_PER_ELEMENT;
}

/** Whether `value` names a known element type. */
export function isDtype(value: unknown): value is Dtype {
  return typeof value === "string" && Object.hasOwn(ARRAYS, value);
}

/**
 * Bytes as a typed array: BOOL as bytes, F16 and BF16 as bit patterns, 64-bit integers as BigInt. The result is a view
 * if the bytes are aligned, otherwise a copy. `bytes.length` must be a multiple of the element size.
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
  const size = elementBytes(dtype);
  const { buffer, byteOffset } = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  return new ARRAYS[dtype](buffer, byteOffset, bytes.byteLength / size);
}

/**
 * The values as 32-bit floats in a new array: exact from F32, F16, BF16, BOOL and integers of 8 and 16 bits; rounded to
 * nearest from F64 and wider integers.
 */
export function widenToFloat32(dtype: Dtype, bytes: Uint8Array): Float32Array {
  const raw = rawElements(dtype, bytes);
  const out = new Float32Array(raw.length);
  if (dtype === "F16" || dtype === "BF16") {
    const convert = dtype === "F16" ? float32BitsFromFloat16 : float32BitsFromBfloat16;
    const bits = new Uint32Array(out.buffer);
    for (let i = 0; i < bits.length; i++) bits[i] = convert(raw[i] as number);
  } else if (dtype === "F32") {
    // As bytes: engines may alter a NaN's payload when a float passes through a register.
    new Uint8Array(out.buffer).set(bytes);
  } else {
    for (let i = 0; i < out.length; i++) out[i] = Number(raw[i]);
  }
  return out;
}

/** 32-bit floats as bytes of a floating-point dtype: unchanged as F32, rounded to nearest even as F16 or BF16. */
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

/** The bytes of an array. They share its memory. */
export function bytesOf(array: RawElements): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
