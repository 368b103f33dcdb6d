/**
 * The element types of checkpoint files, and the conversions between them and 32-bit floats. Values
 * are little-endian in files; typed arrays are too on every platform that runs WebAssembly.
 */

/** Facts of an element type: `bytes` per element. */
export interface DtypeFacts {
  readonly bytes: 1 | 2 | 4 | 8;
}

/**
 * Every element type read and written, in the order of the official safetensors implementation
 * (increasing alignment), by which it sorts tensors in a file.
 */
export const DTYPES: {
  readonly [name in
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
    | "U64"]: DtypeFacts;
} = Object.freeze({
  BOOL: { bytes: 1 },
  U8: { bytes: 1 },
  I8: { bytes: 1 },
  I16: { bytes: 2 },
  U16: { bytes: 2 },
  F16: { bytes: 2 },
  BF16: { bytes: 2 },
  I32: { bytes: 4 },
  U32: { bytes: 4 },
  F32: { bytes: 4 },
  F64: { bytes: 8 },
  I64: { bytes: 8 },
  U64: { bytes: 8 },
});

/** Name of an element type, as safetensors spells it. */
export type Dtype = keyof typeof DTYPES;

const DTYPE_NAMES: readonly Dtype[] = Object.keys(DTYPES) as Dtype[];

/** Whether `value` names a known element type. */
export function isDtype(value: unknown): value is Dtype {
  return typeof value === "string" && Object.hasOwn(DTYPES, value);
}

/** The known element types as a phrase, for messages. */
export function listDtypes(): string {
  return DTYPE_NAMES.join(", ");
}

/** Position of a dtype in the official order (increasing alignment). */
export function dtypeRank(dtype: Dtype): number {
  return DTYPE_NAMES.indexOf(dtype);
}

const scratchFloat = new Float32Array(1);
const scratchBits = new Uint32Array(scratchFloat.buffer);

/** Bits of the binary16 (IEEE 754) nearest to the binary32 with bits `bits`, ties to even. */
export function float16FromFloat32Bits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x1ff);
  // 65520, half-way between the largest binary16 and the next power of two, is the first to overflow.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  // Below 2^-14 results are subnormal: adding 0.5 makes the float adder round at 2^-24, ties to even.
  if (magnitude < 0x38800000) {
    scratchBits[0] = magnitude;
    scratchFloat[0] = (scratchFloat[0] as number) + 0.5;
    return sign | ((scratchBits[0] as number) - 0x3f000000);
  }
  const oddOfResult = (magnitude >>> 13) & 1;
  const rebiased = magnitude - ((127 - 15) << 23) + 0xfff + oddOfResult;
  return sign | (rebiased >>> 13);
}

/** Bits of the binary32 equal to the binary16 with bits `half`; NaN payloads are kept. */
export function float32BitsFromFloat16(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return (sign | 0x7f800000 | (fraction << 13)) >>> 0;
  if (exponent !== 0) return (sign | ((exponent + 127 - 15) << 23) | (fraction << 13)) >>> 0;
  scratchFloat[0] = fraction * 2 ** -24;
  return (sign | (scratchBits[0] as number)) >>> 0;
}

/** Bits of the bfloat16 nearest to the binary32 with bits `bits`, ties to even; NaN becomes quiet. */
export function bfloat16FromFloat32Bits(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  const oddOfResult = (bits >>> 16) & 1;
  return ((bits + 0x7fff + oddOfResult) >>> 16) & 0xffff;
}

/** Bits of the binary32 equal to the bfloat16 with bits `brain`. */
export function float32BitsFromBfloat16(brain: number): number {
  return (brain << 16) >>> 0;
}

/** A typed array of the values' own type; BOOL as bytes, F16 and BF16 as their bits. */
export type RawElements =
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

/**
 * The bytes as a typed array of the dtype: BOOL as bytes, F16 and BF16 as their bits in a Uint16Array,
 * 64-bit integers as BigInt. A view where alignment allows it, else a copy. `bytes.length` must be a
 * multiple of the element size.
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
  const size = DTYPES[dtype].bytes;
  const aligned = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  const { buffer, byteOffset } = aligned;
  const length = aligned.byteLength / size;
  switch (dtype) {
    case "BOOL":
    case "U8":
      return new Uint8Array(buffer, byteOffset, length);
    case "I8":
      return new Int8Array(buffer, byteOffset, length);
    case "I16":
      return new Int16Array(buffer, byteOffset, length);
    case "U16":
    case "F16":
    case "BF16":
      return new Uint16Array(buffer, byteOffset, length);
    case "I32":
      return new Int32Array(buffer, byteOffset, length);
    case "U32":
      return new Uint32Array(buffer, byteOffset, length);
    case "F32":
      return new Float32Array(buffer, byteOffset, length);
    case "F64":
      return new Float64Array(buffer, byteOffset, length);
    case "I64":
      return new BigInt64Array(buffer, byteOffset, length);
    case "U64":
      return new BigUint64Array(buffer, byteOffset, length);
    default:
      return dtype satisfies never;
  }
}

/**
 * The values as 32-bit floats in a new array: exact from F32 (bit for bit), F16, BF16, BOOL and the
 * 8- and 16-bit integers; rounded to nearest from F64 and the wider integers.
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

/** 32-bit floats as bytes of a floating-point dtype: bit for bit to F32, rounded to nearest even else. */
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

function bytesOf(array: RawElements): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
