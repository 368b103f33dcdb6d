import fc from "fast-check";
import { expect, test } from "vitest";
import { roundToBfloat16, sumColumn, sumNeighbours } from "../../src/prune/accumulate.ts";
import { anyValues, exactValues } from "./models.ts";

const EPSILON = 2 ** -24;

/** |sum| of n floats in any order is off by at most n x sum of magnitudes x eps. */
function bound(values: Float32Array): number {
  return values.length * values.reduce((sum, value) => sum + Math.abs(value), 0) * EPSILON;
}

test("sums are right within float32's rounding, whatever the length", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 600 }).chain((count) => anyValues(count)),
      (values) => {
        const exact = values.reduce((sum, value) => sum + value, 0);
        const sum = sumNeighbours(values, 0, values.length);
        expect(Math.abs(sum - exact)).toBeLessThanOrEqual(bound(values));
      },
    ),
  );
});

test("columns add up as their own values do", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 70 }),
      fc.integer({ min: 1, max: 20 }),
      fc.nat(),
      fc.infiniteStream(fc.integer({ min: -50, max: 50 })),
      (width, count, pick, stream) => {
        const values = Float32Array.from({ length: width * count }, () => stream.next().value / 8);
        const column = pick % width;
        let exact = 0;
        for (let row = 0; row < count; row++) exact += values[row * width + column] as number;
        expect(sumColumn(values, width, count, column)).toBe(exact);
      },
    ),
  );
});

test("exact sums are exact, also where partial sums move up a level", () => {
  fc.assert(
    fc.property(exactValues(2000), (values) => {
      expect(sumNeighbours(values, 0, 2000)).toBe(values.reduce((sum, value) => sum + value, 0));
    }),
    { numRuns: 20 },
  );
});

test("the order matters and is kept: eight lanes first", () => {
  // In order 1 + 2^-24 would be lost eight times over; lane by lane they meet first.
  const tiny = 2 ** -24;
  const values = Float32Array.from({ length: 16 }, (_, i) => (i === 0 ? 1 : i === 8 ? 0 : tiny));
  const inOrder = values.reduce((sum, value) => Math.fround(sum + value), 0);
  expect(inOrder).toBe(1);
  expect(sumNeighbours(values, 0, 16)).toBeGreaterThan(1);
});

test("bfloat16 rounds to nearest, ties to even", () => {
  expect(roundToBfloat16(0.9)).toBe(0.8984375);
  expect(roundToBfloat16(1 + 2 ** -8)).toBe(1);
  expect(roundToBfloat16(1 + 3 * 2 ** -8)).toBe(1 + 2 ** -6);
  expect(roundToBfloat16(-0)).toBe(-0);
  expect(roundToBfloat16(0)).toBe(0);
});
