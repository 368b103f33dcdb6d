/** Conversion between float32 and the 16-bit formats float16 (IEEE 754 binary16) and bfloat16. */

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/** Converts the bits of a float32 to the bits of the nearest float16; ties go to even. */
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

/** Converts the bits of a float16 to the bits of the equal float32. A NaN keeps its payload. */
export function float32BitsFromFloat16(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return (sign | 0x7f800000 | (fraction << 13)) >>> 0;
  if (exponent !== 0) return (sign | ((exponent + 127 - 15) << 23) | (fraction << 13)) >>> 0;
  scratch[0] = fraction * 2 ** -24;
  return (sign | scratchBits[0]) >>> 0;
}

/** Converts the bits of a float32 to the bits of the nearest bfloat16; ties go to even. A NaN becomes quiet. */
export function bfloat16FromFloat32Bits(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  const oddOfResult = (bits >>> 16) & 1;
  return ((bits + 0x7fff + oddOfResult) >>> 16) & 0xffff;
}

/** Converts the bits of a bfloat16 to the bits of the equal float32. */
export function float32BitsFromBfloat16(brain: number): number {
  return (brain << 16) >>> 0;
}

const LARGEST_FLOAT16 = 65504;

/**
 * Returns the bits of the float16 nearest to `value`, a float32; ties go to even. Magnitudes above 65504, the largest
 * finite float16, become 65504. Below that, the relative error is at most 2^-11; for magnitudes below 2^-14, the
 * absolute error is at most 2^-25.
 */
export function halfBits(value: number): number {
  scratch[0] = Math.min(LARGEST_FLOAT16, Math.max(-LARGEST_FLOAT16, value));
  return float16FromFloat32Bits(scratchBits[0]);
}

/** Returns the number that these float16 bits represent. */
export function fromHalfBits(half: number): number {
  scratchBits[0] = float32BitsFromFloat16(half);
  return scratch[0];
}

/** Returns the bits of the smallest bfloat16 that is at least `value`, a positive finite number. */
export function roundUpToBfloat16(value: number): number {
  scratch[0] = value;
  // Storing `value` as a float32 may have rounded it down.
  const bits = scratchBits[0] + (scratch[0] < value ? 1 : 0);
  return (bits + 0xffff) >>> 16;
}

/** Returns the number that these bfloat16 bits represent. */
export function fromBfloat16(bits: number): number {
  scratchBits[0] = float32BitsFromBfloat16(bits);
  return scratch[0];
}
