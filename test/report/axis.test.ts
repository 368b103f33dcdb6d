import fc from "fast-check";
import { expect, test } from "vitest";
import { formatTicks, rangeOf, roundRange, ticks } from "../../src/report/axis.ts";

const number = fc.double({ min: -1e6, max: 1e6, noNaN: true });
const range = fc
  .tuple(number, fc.double({ min: 1e-3, max: 1e6, noNaN: true }))
  .map(([low, span]) => ({ low, high: low + span }));

test("ticks lie in the range, ascend, and are as few as asked", () => {
  fc.assert(
    fc.property(range, fc.integer({ min: 3, max: 12 }), (shown, count) => {
      const marks = ticks(shown, count);
      const slack = 1e-6 * (shown.high - shown.low);
      expect(marks.length).toBeGreaterThan(0);
      expect(marks.length).toBeLessThanOrEqual(count + 1);
      marks.forEach((mark, index) => {
        expect(mark).toBeGreaterThanOrEqual(shown.low - slack);
        expect(mark).toBeLessThanOrEqual(shown.high + slack);
        if (index > 0) expect(mark).toBeGreaterThan(marks[index - 1] ?? Infinity);
      });
    }),
  );
});

test("the rounded range contains the range and begins and ends with a tick", () => {
  fc.assert(
    fc.property(range, (shown) => {
      const rounded = roundRange(shown, 5);
      const slack = 1e-6 * (shown.high - shown.low);
      expect(rounded.low).toBeLessThanOrEqual(shown.low + slack);
      expect(rounded.high).toBeGreaterThanOrEqual(shown.high - slack);
      const marks = ticks(rounded, 5);
      expect(Math.abs((marks[0] ?? 0) - rounded.low)).toBeLessThanOrEqual(slack);
      expect(Math.abs((marks.at(-1) ?? 0) - rounded.high)).toBeLessThanOrEqual(slack);
    }),
  );
});

test("ranges of nothing, of one value and of values that are not finite", () => {
  expect(rangeOf([])).toEqual({ low: 0, high: 1 });
  expect(rangeOf([Number.NaN, Infinity])).toEqual({ low: 0, high: 1 });
  expect(rangeOf([2, 2])).toEqual({ low: 1, high: 3 });
  expect(rangeOf([0])).toEqual({ low: -1, high: 1 });
  expect(rangeOf([3, Number.NaN, 1])).toEqual({ low: 1, high: 3 });
});

test("ticks are plain decimals", () => {
  expect(ticks({ low: 0, high: 1 }, 5)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
  expect(ticks({ low: 0.1, high: 0.35 }, 5)).toEqual([0.1, 0.15, 0.2, 0.25, 0.3, 0.35]);
  expect(formatTicks([0, 0.25, 1])).toEqual(["0.00", "0.25", "1.00"]);
});
