import fc from "fast-check";
import { expect, test } from "vitest";
import {
  bfloat16FromFloat32Bits,
  float16FromFloat32Bits,
  float32BitsFromBfloat16,
  float32BitsFromFloat16,
  fromHalfBits,
  halfBits,
} from "../../src/core/half.ts";

test("every finite float16 comes back as it was", () => {
  for (let bits = 0; bits < 0x10000; bits++) {
    if (((bits >>> 10) & 31) === 31) continue;
    expect(halfBits(fromHalfBits(bits))).toBe(bits);
  }
});

test("a float32 is rounded to the nearest float16, ties to even", () => {
  const magnitudes = fc.integer({ min: 0, max: 0x7bff });
  fc.assert(
    fc.property(magnitudes, fc.double({ min: 0, max: 1, noNaN: true }), (bits, share) => {
      const [low, high] = [fromHalfBits(bits), fromHalfBits(Math.min(bits + 1, 0x7bff))];
      const value = Math.fround(low + share * (high - low));
      const rest = value - low;
      const up = rest > high - value || (rest === high - value && bits % 2 === 1);
      expect(fromHalfBits(halfBits(value))).toBe(up ? high : low);
      expect(fromHalfBits(halfBits(-value))).toBe(up ? -high : -low);
    }),
  );
});

test("what is too large becomes the largest, NaN stays NaN", () => {
  expect(fromHalfBits(halfBits(1e6))).toBe(65504);
  expect(fromHalfBits(halfBits(-Infinity))).toBe(-65504);
  expect(fromHalfBits(halfBits(Number.NaN))).toBeNaN();
  expect(fromHalfBits(0x7c00)).toBe(Infinity);
});

/** The float with these bits, and back, through one buffer. */
const view = new DataView(new ArrayBuffer(4));
function floatOf(bits: number): number {
  view.setUint32(0, bits);
  return view.getFloat32(0);
}
function bitsOf(value: number): number {
  view.setFloat32(0, value);
  return view.getUint32(0);
}

/** The value of a binary16, from its definition. */
function float16Value(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Nearest 16-bit float by search: `value` gives the value of each magnitude, in increasing order. */
function nearestBits(target: number, infinity: number, value: (bits: number) => number): number {
  const magnitude = Math.abs(target);
  const sign = Object.is(Math.sign(target), -1) || Object.is(target, -0) ? 0x8000 : 0;
  let low = 0;
  let high = infinity;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (value(middle) <= magnitude) low = middle;
    else high = middle;
  }
  // Overflow rounds as if the next power of two were representable.
  const top = high === infinity ? 2 * value(high - 1) - value(high - 2) : value(high);
  const below = magnitude - value(low);
  const above = top - magnitude;
  if (below === above) return sign | (low % 2 === 0 ? low : high);
  return sign | (below < above ? low : high);
}

test("every binary16 widens to its value and narrows back to itself", () => {
  for (let half = 0; half < 0x10000; half++) {
    const bits = float32BitsFromFloat16(half);
    if (!Object.is(floatOf(bits), float16Value(half))) throw new Error(`${half} widens wrongly`);
    const isSignallingNaN = (half & 0x7c00) === 0x7c00 && (half & 0x3ff) !== 0 && !(half & 0x200);
    const back = isSignallingNaN ? half | 0x200 : half;
    if (float16FromFloat32Bits(bits) !== back) throw new Error(`${half} narrows wrongly`);
  }
});

test("every bfloat16 widens to its upper half and narrows back to itself", () => {
  for (let brain = 0; brain < 0x10000; brain++) {
    const bits = float32BitsFromBfloat16(brain);
    if (bits !== brain * 0x10000) throw new Error(`${brain} widens wrongly`);
    const isSignallingNaN = (brain & 0x7f80) === 0x7f80 && (brain & 0x7f) !== 0 && !(brain & 0x40);
    const back = isSignallingNaN ? brain | 0x40 : brain;
    if (bfloat16FromFloat32Bits(bits) !== back) throw new Error(`${brain} narrows wrongly`);
  }
});

const anyBits = fc.integer({ min: 0, max: 0xffffffff });
const nearHalf = fc
  .tuple(fc.integer({ min: 0, max: 0xfbff }), fc.integer({ min: -2, max: 2 }))
  .map(([half, offset]) => {
    const between = (float16Value(half) + float16Value(Math.min(half + 1, 0xfbff))) / 2;
    return (bitsOf(between) + offset) >>> 0;
  });

test("narrowing rounds to nearest, ties to even", () => {
  fc.assert(
    fc.property(fc.oneof(anyBits, nearHalf), (bits) => {
      const value = floatOf(bits);
      fc.pre(!Number.isNaN(value) && Number.isFinite(value));
      expect(float16FromFloat32Bits(bits)).toBe(nearestBits(value, 0x7c00, float16Value));
      const brainValue = (brain: number): number => floatOf(brain * 0x10000);
      expect(bfloat16FromFloat32Bits(bits)).toBe(nearestBits(value, 0x7f80, brainValue));
    }),
    { numRuns: 5000 },
  );
});

test.each([
  ["the largest finite", 65504, 0x7bff],
  ["just below the overflow", 65519.996, 0x7bff],
  ["the first overflow", 65520, 0x7c00],
  ["infinity", Number.NEGATIVE_INFINITY, 0xfc00],
  ["half the smallest subnormal (a tie, to even)", 2 ** -25, 0],
  ["just above it", 2 ** -25 * 1.001, 1],
  ["negative zero", -0, 0x8000],
  ["the smallest normal", 2 ** -14, 0x0400],
  ["the largest subnormal's neighbour (rounds up to normal)", 2 ** -14 * (1 - 2 ** -12), 0x0400],
])("binary16 of %s", (_, value, half) => {
  expect(float16FromFloat32Bits(bitsOf(value))).toBe(half);
});

test("NaN stays NaN with its payload's upper bits", () => {
  expect(float16FromFloat32Bits(0x7fc0_2000)).toBe(0x7e01);
  expect(float16FromFloat32Bits(0xff80_0001)).toBe(0xfe00);
  expect(bfloat16FromFloat32Bits(0x7f80_0001)).toBe(0x7fc0);
  expect(bfloat16FromFloat32Bits(0xffff_ffff)).toBe(0xffff);
});
