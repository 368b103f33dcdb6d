/**
 * Decodes the 8-bit floats of safetensors, whose values are all exact in 32 bits. Formats: E5M2 and E4M3 of the OCP
 * 8-bit floating point specification, E8M0 of OCP MX, and the two FNUZ types, which have neither infinities nor
 * negative zero.
 */

/** The name of an 8-bit float type in safetensors. */
export type Float8 = "F8_E5M2" | "F8_E4M3" | "F8_E8M0" | "F8_E4M3FNUZ" | "F8_E5M2FNUZ";

interface Float8Format {
  readonly fractionBits: 2 | 3;
  readonly bias: number;
  /** False for FNUZ formats, in which the bit pattern of negative zero is the only NaN. */
  readonly hasNegativeZero: boolean;
  /** The largest finite magnitude. Codes above it are NaN, except for the infinity of E5M2. */
  readonly largest: number;
}

const FORMATS: Readonly<Record<Exclude<Float8, "F8_E8M0">, Float8Format>> = {
  F8_E5M2: { fractionBits: 2, bias: 15, hasNegativeZero: true, largest: 57344 },
  F8_E4M3: { fractionBits: 3, bias: 7, hasNegativeZero: true, largest: 448 },
  F8_E4M3FNUZ: { fractionBits: 3, bias: 8, hasNegativeZero: false, largest: 240 },
  F8_E5M2FNUZ: { fractionBits: 2, bias: 16, hasNegativeZero: false, largest: 57344 },
};

const INFINITY_E5M2 = 0x7c;

/** Returns the value that one byte encodes. */
function float8Value(dtype: Float8, code: number): number {
  if (dtype === "F8_E8M0") return code === 0xff ? Number.NaN : 2 ** (code - 127);
  const { fractionBits, bias, hasNegativeZero, largest } = FORMATS[dtype];
  if (code === 0x80 && !hasNegativeZero) return Number.NaN;
  const sign = code < 0x80 ? 1 : -1;
  const magnitude = code & 0x7f;
  if (dtype === "F8_E5M2" && magnitude === INFINITY_E5M2) return sign * Number.POSITIVE_INFINITY;
  const steps = 2 ** fractionBits;
  const exponent = Math.floor(magnitude / steps);
  const fraction = (magnitude % steps) / steps;
  const value = (exponent === 0 ? fraction : 1 + fraction) * 2 ** (Math.max(exponent, 1) - bias);
  return value > largest ? Number.NaN : sign * value;
}

/** Returns the values of all 256 byte codes. */
function valuesOf(dtype: Float8): Float32Array {
  return Float32Array.from({ length: 256 }, (_, code) => float8Value(dtype, code));
}

/** Decodes 8-bit floats to 32-bit floats. */
export function widenFloat8(dtype: Float8, bytes: Uint8Array): Float32Array {
  const values = valuesOf(dtype);
  const out = new Float32Array(bytes.length);
  for (let i = 0; i < out.length; i++) out[i] = values[bytes[i] ?? 0] ?? 0;
  return out;
}
