import fc from "fast-check";
import { expect, test } from "vitest";
import {
  bfloat16FromFloat32Bits,
  DTYPES,
  type Dtype,
  float16FromFloat32Bits,
  float32BitsFromBfloat16,
  float32BitsFromFloat16,
  narrowFromFloat32,
  rawElements,
  widenToFloat32,
} from "../../src/io/dtypes.ts";

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

test("F32 passes through bit for bit, NaN payloads included", () => {
  fc.assert(
    fc.property(fc.array(anyBits), (bits) => {
      const values = new Float32Array(Uint32Array.from(bits).buffer);
      const bytes = narrowFromFloat32("F32", values);
      const widened = widenToFloat32("F32", bytes);
      expect([...new Uint32Array(widened.buffer)]).toEqual(bits);
    }),
  );
});

test("every dtype widens to the numbers it holds, from any alignment", () => {
  const examples: Readonly<Record<Dtype, readonly [ArrayBuffer, readonly number[]]>> = {
    BOOL: [Uint8Array.of(0, 1).buffer, [0, 1]],
    U8: [Uint8Array.of(0, 255).buffer, [0, 255]],
    I8: [Int8Array.of(-128, 127).buffer, [-128, 127]],
    I16: [Int16Array.of(-32768, 5).buffer, [-32768, 5]],
    U16: [Uint16Array.of(65535, 5).buffer, [65535, 5]],
    F16: [Uint16Array.of(0x3c00, 0xc000).buffer, [1, -2]],
    BF16: [Uint16Array.of(0x3f80, 0xc000).buffer, [1, -2]],
    I32: [Int32Array.of(-7, 16777216).buffer, [-7, 16777216]],
    U32: [Uint32Array.of(7, 2 ** 31).buffer, [7, 2 ** 31]],
    F32: [Float32Array.of(0.5, -3).buffer, [0.5, -3]],
    F64: [Float64Array.of(0.5, 0.1).buffer, [0.5, Math.fround(0.1)]],
    I64: [BigInt64Array.of(-5n, 1n << 40n).buffer, [-5, 2 ** 40]],
    U64: [BigUint64Array.of(5n, 1n << 63n).buffer, [5, 2 ** 63]],
  };
  for (const dtype of Object.keys(DTYPES) as Dtype[]) {
    const [buffer, numbers] = examples[dtype];
    const shifted = new Uint8Array(buffer.byteLength + 1);
    shifted.set(new Uint8Array(buffer), 1);
    for (const bytes of [new Uint8Array(buffer), shifted.subarray(1)]) {
      expect([...widenToFloat32(dtype, bytes)]).toEqual(numbers);
      expect(rawElements(dtype, bytes)).toHaveLength(numbers.length);
    }
  }
});

test("widening never returns the stored bytes themselves", () => {
  const bytes = narrowFromFloat32("F32", Float32Array.of(1, 2));
  widenToFloat32("F32", bytes).fill(9);
  expect([...widenToFloat32("F32", bytes)]).toEqual([1, 2]);
});

test("narrowing leaves its input alone and gives fresh bytes", () => {
  const values = Float32Array.of(1.5, -0, 70000);
  for (const dtype of ["F64", "F32", "F16", "BF16"] as const) {
    narrowFromFloat32(dtype, values).fill(0);
    expect([...values]).toEqual([1.5, -0, 70000]);
  }
  expect([...widenToFloat32("F16", narrowFromFloat32("F16", values))]).toEqual([1.5, -0, Infinity]);
});
