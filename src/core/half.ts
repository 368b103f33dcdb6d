/** float16, to keep float32 values in half the memory. */

/** The largest finite float16. */
const LARGEST = 65504;

const word = new Float32Array(1);
const bits = new Uint32Array(word.buffer);

/**
 * The bits of the float16 nearest to a float32, ties to even; larger magnitudes become the largest finite one.
 * The relative error is at most 2^-11, or below 2^-14 the absolute one 2^-25.
 */
export function halfBits(value: number): number {
  word[0] = Math.min(LARGEST, Math.max(-LARGEST, value));
  const sign = (bits[0] >>> 16) & 0x8000;
  const magnitude = bits[0] & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // Below the normal numbers: multiples of 2^-24.
  if (magnitude < 0x38800000) return sign | roundToEven(Math.abs(word[0]) * 2 ** 24);
  return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
}

/** The float32 of the bits of a float16. */
export function fromHalfBits(half: number): number {
  const exponent = (half >>> 10) & 31;
  const fraction = half & 1023;
  const magnitude =
    exponent === 31
      ? fraction === 0
        ? Infinity
        : Number.NaN
      : exponent === 0
        ? fraction * 2 ** -24
        : (1024 + fraction) * 2 ** (exponent - 25);
  return half & 0x8000 ? -magnitude : magnitude;
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
