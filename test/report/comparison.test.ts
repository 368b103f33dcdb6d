import { expect, test } from "vitest";
import { againstDense, comparisonLines, speedAgainstDense } from "../../src/report/comparison.ts";

test("the difference of the means is stated in points and in words", () => {
  expect(againstDense([0.868], [0.864])).toBe("0.4 points better than dense");
  expect(againstDense([0.85, 0.86], [0.865, 0.865])).toBe("1.0 point worse than dense");
  expect(againstDense([0.8641], [0.864])).toBe("same as dense");
  expect(againstDense([Number.NaN], [0.864])).toBe("-");
});

test("equal speeds are not stated as a ratio", () => {
  expect(speedAgainstDense(103, 100)).toBe("as fast as dense");
  expect(speedAgainstDense(55, 100)).toBe("0.6 times as fast as dense");
});

test("a dense run is described alone, and what was not measured is left out", () => {
  const dense = { label: "dense", metric: [0.9], zeros: null };
  const measured = { bytes: { plain: 2000, packed: null }, rowsPerSecond: 12.345 };
  expect(comparisonLines("F1", [])).toEqual([]);
  expect(comparisonLines("F1", [dense])).toEqual(["dense: F1 90.00"]);
  expect(comparisonLines("F1", [{ ...dense, ...measured }])).toEqual([
    "dense: F1 90.00; file 2.00 kB; 12.3 rows a second",
  ]);
  expect(comparisonLines("F1", [dense, { label: "4x1", metric: [0.91], zeros: 0.9 }])).toEqual([
    "4x1: F1 91.00, 1.0 point better than dense (90.00)",
  ]);
});
