/** Conversion between float32 and the 16-bit formats float16 (IEEE 754 binary16) and bfloat16. */

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/** The bits of the float16 nearest to the float32 with these bits; ties go to even. */
export function float16FromFloat32Bits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x1ff);
  // 65520 and above overflow to infinity: 65520 is half-way between the largest float16, 65504, and 65536.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  // Below 2^-14 the result is subnormal. Adding 0.5 in float32 rounds it to a multiple of 2^-24, ties to even.
  if (magnitude < 0x38800000) {
    scratchBits[0] = magnitude;
    scratch[0] += 0.5;
    return sign | (scratchBits[0] - 0x3f000000);
  }
  const oddOfResult = (magnitude >>> 13) & 1;
  const rebiased = magnitude - ((127 - 15) << 23) + 0xfff + oddOfResult;
  return sign | (rebiased >>> 13);
}

/** The bits of the float32 equal to the float16 with these bits. A NaN keeps its payload. */
export function float32BitsFromFloat16(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return (sign | 0x7f800000 | (fraction << 13)) >>> 0;
  if (exponent !== 0) return (sign | ((exponent + 127 - 15) << 23) | (fraction << 13)) >>> 0;
  scratch[0] = fraction * 2 ** -24;
  return (sign | scratchBits[0]) >>> 0;
}

/** The bits of the bfloat16 nearest to the float32 with these bits; ties go to even. A NaN becomes quiet. */
export function bfloat16FromFloat32Bits(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  const oddOfResult = (bits >>> 16) & 1;
  return ((bits + 0x7fff + oddOfResult) >>> 16) & 0xffff;
}

/** The bits of the float32 equal to the bfloat16 with these bits. */
export function float32BitsFromBfloat16(brain: number): number {
  return (brain << 16) >>> 0;
}

const LARGEST_FLOAT16 = 65504;

/**
 * The bits of the float16 nearest to `value`, a float32; ties go to even. Magnitudes above 65504, the largest finite
 * float16, become 65504. For smaller ones, the relative error is at most 2^-11, or, below 2^-14, the absolute error is
 * at most 2^-25.
 */
export function halfBits(value: number): number {
  scratch[0] = Math.min(LARGEST_FLOAT16, Math.max(-LARGEST_FLOAT16, value));
  return float16FromFloat32Bits(scratchBits[0]);
}

/** The value of the float16 with these bits. */
export function fromHalfBits(half: number): number {
  scratchBits[0] = float32BitsFromFloat16(half);
  return scratch[0];
}

/** The bits of the smallest bfloat16 that is at least `value`, a positive finite number. */
export function roundUpToBfloat16(value: number): number {
  scratch[0] = value;
  // Storing `value` as a float32 may have rounded it down.
  const bits = scratchBits[0] + (scratch[0] < value ? 1 : 0);
  return (bits + 0xffff) >>> 16;
}

/** The value of the bfloat16 with these bits. */
export function fromBfloat16(bits: number): number {
  scratchBits[0] = float32BitsFromBfloat16(bits);
  return scratch[0];
}
