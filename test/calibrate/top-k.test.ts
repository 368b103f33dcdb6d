import fc from "fast-check";
import { expect, test } from "vitest";
import { topKLowest } from "../../src/calibrate/top-k.ts";

/** Scores ("-" is NaN), a count, and the indices that `topk(count, largest=False)` of PyTorch 2.8 returns, sorted. */
const RECORDED: readonly (readonly [scores: string, count: number, indices: string])[] = [
  ["1 1 0 0", 2, "2 3"],
  ["2 1 1 0 1", 5, "0 1 2 3 4"],
  ["0 - 0 0 1 0 0 1", 1, "5"],
  ["0 2 2 0 0 1 1 1", 3, "0 3 4"],
  ["1 0 0 1 1 1 1 0 2 0 0 2 0 - 0 0", 1, "9"],
  ["0 0 - 0 0 0 0 0", 5, "3 4 5 6 7"],
  ["1 1 0 1 0 0 1 0", 7, "1 2 3 4 5 6 7"],
  ["0 - 0", 2, "0 2"],
  ["0 0 0", 3, "0 1 2"],
  ["0 0 0 0 0 0 0 0 0 0 1 0 1 0 1 1", 16, "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15"],
  ["0 0 0", 1, "0"],
  ["0 0 0", 2, "0 1"],
  ["0 1 1", 3, "0 1 2"],
  ["0 0 1 1 0", 1, "1"],
  ["2 0 1 0 1 2 1 0", 7, "0 1 2 3 4 6 7"],
  ["0 0 0 - 0 0 0 1", 6, "0 1 2 4 5 6"],
  ["0 - 0 -", 1, "0"],
  ["0 0 1 0 0 1 0 0", 1, "6"],
  ["0 1 0 0 0", 5, "0 1 2 3 4"],
  ["1 - 0", 2, "0 2"],
  ["1 0 0 0 -", 1, "1"],
  ["0 0 1", 3, "0 1 2"],
  ["0 0 2 0 1 0 - - 2 0 0 1 0 0 1 1", 13, "0 1 3 4 5 8 9 10 11 12 13 14 15"],
  ["1 1 0 2 0 1 0 0", 2, "4 7"],
  ["1 1 1", 1, "0"],
  ["- 1 - 1 1", 1, "1"],
  ["0 1 - 0 - 0 0 0", 3, "3 5 6"],
  ["1 1 1 1 0 2 1 0", 3, "3 4 7"],
  ["0 - 0 1 0 0 1 0", 3, "0 4 5"],
  ["2 0 1 2", 3, "0 1 2"],
  ["0 0 1 0", 4, "0 1 2 3"],
  ["0 0 0 1 1 0 0 0 - 0 0 0 0 0 1 0", 3, "10 11 12"],
  ["1 0 1", 2, "0 1"],
  ["0 1 0 1 1 2 - 0", 7, "0 1 2 3 4 5 7"],
  ["0 0 1 0 1 1 1 0", 6, "0 1 3 5 6 7"],
  ["- 1 1", 3, "0 1 2"],
  ["1 0 0 1", 2, "1 2"],
  ["1 2 0 0 1 1 0 2 0 - - 0 0 0 0 -", 14, "0 1 2 3 4 5 6 7 8 11 12 13 14 15"],
  ["1 - 2 1 1 1 0 2 0 1 0 1 1 1 0 0", 13, "0 3 4 5 6 8 9 10 11 12 13 14 15"],
];

test.each(RECORDED)("takes the same of %s as PyTorch: %d lowest", (text, count, indices) => {
  const scores = text.split(" ").map((word) => (word === "-" ? Number.NaN : Number(word)));
  const found = topKLowest([9, ...scores, -9], 1, scores.length + 1, count);
  expect(
    found
      .map((i) => i - 1)
      .sort((a, b) => a - b)
      .join(" "),
  ).toBe(indices);
});

test("takes the lowest scores, and NaN last", () => {
  const score = fc.oneof(fc.integer({ min: 0, max: 4 }), fc.double(), fc.constant(Number.NaN));
  fc.assert(
    fc.property(fc.array(score, { maxLength: 24 }), fc.nat(), (scores, drawn) => {
      const count = drawn % (scores.length + 1);
      const found = topKLowest(scores, 0, scores.length, count);
      expect(new Set(found).size).toBe(count);
      const ordered = (values: readonly number[]): readonly number[] =>
        values.map((x) => (Number.isNaN(x) ? Infinity : x + 0)).sort((a, b) => a - b);
      expect(ordered(found.map((i) => scores[i] ?? 0))).toEqual(ordered(scores).slice(0, count));
    }),
  );
});
