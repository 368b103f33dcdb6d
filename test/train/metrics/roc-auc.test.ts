import fc from "fast-check";
import { expect, test } from "vitest";
import { rocAuc } from "../../../src/train/metrics/roc-auc.ts";
import { naiveRocAuc } from "./naive-metrics.ts";

test("equals the share of pairs in the right order", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(1), fc.nat(6)), { maxLength: 25 }), (pairs) => {
      const labels = pairs.map(([label]) => label);
      const scores = pairs.map(([, score]) => score);
      const expected = naiveRocAuc(labels, scores);
      const got = rocAuc(labels, scores);
      if (expected === null) expect(got).toBeNull();
      else expect(got).toBeCloseTo(expected, 12);
    }),
  );
  expect(() => rocAuc([1], [])).toThrow("scores: expected 1 elements, got 0");
});
