/** Floats of 16 bits, and their conversion from and to float32: float16 (IEEE 754 binary16) and bfloat16. */

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/** Bits of the float16 nearest to the float32 with bits `bits`, ties to even. */
export function float16FromFloat32Bits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x1ff);
  // 65520, half-way between the largest float16 and the next power of two, is the first to overflow.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  // Below 2^-14 results are subnormal: adding 0.5 makes the float adder round at 2^-24, ties to even.
  if (magnitude < 0x38800000) {
    scratchBits[0] = magnitude;
    scratch[0] = (scratch[0] as number) + 0.5;
    return sign | ((scratchBits[0] as number) - 0x3f000000);
  }
  const oddOfResult = (magnitude >>> 13) & 1;
  const rebiased = magnitude - ((127 - 15) << 23) + 0xfff + oddOfResult;
  return sign | (rebiased >>> 13);
}

/** Bits of the float32 equal to the float16 with bits `half`; NaN payloads are kept. */
export function float32BitsFromFloat16(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return (sign | 0x7f800000 | (fraction << 13)) >>> 0;
  if (exponent !== 0) return (sign | ((exponent + 127 - 15) << 23) | (fraction << 13)) >>> 0;
  scratch[0] = fraction * 2 ** -24;
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

const LARGEST_FLOAT16 = 65504;

/**
 * The bits of the float16 nearest to a float32, ties to even; larger magnitudes become the largest finite one.
 * The relative error is at most 2^-11, or below 2^-14 the absolute one 2^-25.
 */
export function halfBits(value: number): number {
  scratch[0] = Math.min(LARGEST_FLOAT16, Math.max(-LARGEST_FLOAT16, value));
  return float16FromFloat32Bits(scratchBits[0] as number);
}

/** The float32 of the bits of a float16. */
export function fromHalfBits(half: number): number {
  scratchBits[0] = float32BitsFromFloat16(half);
  return scratch[0] as number;
}
