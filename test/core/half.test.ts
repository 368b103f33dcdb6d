import fc from "fast-check";
import { expect, test } from "vitest";
import { fromHalfBits, halfBits } from "../../src/core/half.ts";

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
