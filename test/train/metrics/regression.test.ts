import fc from "fast-check";
import { expect, test } from "vitest";
import { averageRanks } from "../../../src/train/metrics/ranks.ts";
import { regressionMetrics } from "../../../src/train/metrics/regression.ts";
import { naiveCorrelation, naiveRanks } from "./naive-metrics.ts";

const values = fc.integer({ min: -8, max: 8 });
const rows = fc.array(fc.tuple(values, values), { minLength: 1, maxLength: 20 });

test("correlations equal their definitions", () => {
  fc.assert(
    fc.property(rows, (pairs) => {
      const x = pairs.map(([a]) => a);
      const y = pairs.map(([, b]) => b);
      const { pearson, spearman } = regressionMetrics(x, y);
      const expected = naiveCorrelation(x, y);
      if (expected === null) expect([pearson, spearman]).toEqual([null, null]);
      else {
        expect(pearson).toBeCloseTo(expected, 12);
        expect(spearman).toBeCloseTo(naiveCorrelation(naiveRanks(x), naiveRanks(y)) ?? 2, 12);
      }
    }),
  );
});

test("ranks equal their definition, and their sum is that of 1 to n", () => {
  fc.assert(
    fc.property(fc.array(values), (list) => {
      expect([...averageRanks(list)]).toEqual(naiveRanks(list));
    }),
  );
  expect([...averageRanks([Number.NaN, Number.NaN])]).toEqual([1, 2]);
});

test("correlation does not change with unit and origin, and changes its sign with them", () => {
  fc.assert(
    fc.property(rows, (pairs) => {
      const x = pairs.map(([a]) => a);
      const y = pairs.map(([, b]) => b);
      const { pearson } = regressionMetrics(x, y);
      const moved = regressionMetrics(
        x,
        y.map((value) => 1000 - 2 * value),
      ).pearson;
      if (pearson === null) expect(moved).toBeNull();
      else expect(moved).toBeCloseTo(-pearson, 12);
    }),
  );
});

test("mean squared error by hand, and refusals", () => {
  expect(regressionMetrics([1, 2], [2, 4]).meanSquaredError).toBe(2.5);
  expect(() => regressionMetrics([], [])).toThrow("labels: expected at least one row");
  expect(() => regressionMetrics([1], [1, 2])).toThrow("predictions: expected 1 elements");
});
