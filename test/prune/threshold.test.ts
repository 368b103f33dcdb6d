import fc from "fast-check";
import { expect, test } from "vitest";
import { PruningError } from "../../src/prune/layer.ts";
import { createSelectionScratch, kthSmallest } from "../../src/prune/threshold.ts";
import { runsOf } from "../reference/runs.ts";
import { exactValues } from "./models.ts";

const scratch = createSelectionScratch();
const floats = fc.oneof(
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -0, 1, 1, 2, 1e-45, -1e-45, 3.4e38),
);

test("is what sorting finds, over any split into chunks", () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(floats, { maxLength: 30 }), { minLength: 1, maxLength: 4 }),
      fc.nat(),
      (lists, pick) => {
        const chunks = lists.map((list) => Float32Array.from(list));
        const all = chunks.flatMap((chunk) => [...chunk]).sort((a, b) => a - b);
        fc.pre(all.length > 0);
        const k = 1 + (pick % all.length);
        // + 0 makes -0 of +0: they are the same score.
        expect(kthSmallest(chunks, k, scratch) + 0).toBe((all[k - 1] as number) + 0);
      },
    ),
    { numRuns: runsOf(100) },
  );
});

test("refuses a k that is not there", () => {
  const chunk = Float32Array.of(1, 2, 3);
  for (const k of [0, 4, -1]) expect(() => kthSmallest([chunk], k, scratch)).toThrow(PruningError);
  expect(() => kthSmallest([], 1, scratch)).toThrow(/from 1 to 0/);
});

test("refuses NaN always and infinities unless they are allowed", () => {
  expect(() => kthSmallest([Float32Array.of(1, Number.NaN)], 1, scratch, true)).toThrow(
    /got NaN at position 1/,
  );
  const infinite = Float32Array.of(Number.POSITIVE_INFINITY, 3, Number.NEGATIVE_INFINITY);
  expect(() => kthSmallest([infinite], 1, scratch)).toThrow(PruningError);
  expect([1, 2, 3].map((k) => kthSmallest([infinite], k, scratch, true))).toEqual([
    Number.NEGATIVE_INFINITY,
    3,
    Number.POSITIVE_INFINITY,
  ]);
});

test("the k-th smallest of chunks is that of all together", () => {
  fc.assert(
    fc.property(
      fc.array(exactValues(7), { minLength: 1, maxLength: 5 }),
      fc.nat(),
      (chunks, pick) => {
        const together = Float32Array.from(chunks.flatMap((chunk) => [...chunk]));
        const k = 1 + (pick % together.length);
        expect(kthSmallest(chunks, k, scratch) + 0).toBe(kthSmallest([together], k, scratch) + 0);
      },
    ),
    { numRuns: runsOf(100) },
  );
});
