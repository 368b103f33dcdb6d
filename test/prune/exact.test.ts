import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type ExactCandidate,
  exactCount,
  fewestWithin,
  planExactBudget,
} from "../../src/prune/exact.ts";
import { PruningError } from "../../src/prune/layer.ts";
import { createSelectionScratch } from "../../src/prune/threshold.ts";
import { exactMasks } from "../../src/reference/budget.ts";
import { elements, weightMatrix } from "../../src/reference/matrix.ts";
import { Refusal } from "../../src/reference/refusal.ts";
import { runsOf } from "../reference/runs.ts";
import { exactValues } from "./models.ts";

const scratch = createSelectionScratch();

describe("exact counts", () => {
  test("a product that rounding has left below a whole number counts as that number", () => {
    expect(exactCount(1e8, 0.29)).toBe(29_000_000);
    expect(exactCount(4e7, 0.57)).toBe(22_800_000);
    expect(exactCount(10, 0.6999999999999998)).toBe(7);
    expect(exactCount(10, 0.699)).toBe(6);
    // Against whole numbers: blocks x n / 1000.
    for (let i = 0; i < 20_000; i++) {
      const blocks = Math.floor(((i * 2654435761) % 2 ** 32) / 5);
      const parts = (i * 7919) % 1000;
      const exact = Number((BigInt(blocks) * BigInt(parts)) / 1000n);
      expect(exactCount(blocks, parts / 1000)).toBe(exact);
    }
  });
});

/** Layers with 1x1 blocks: a score for each, and whether it is pruned already. */
const layers = fc.array(
  fc.integer({ min: 1, max: 9 }).chain((count) =>
    fc.record({
      scores: exactValues(count),
      settled: fc.array(fc.boolean(), { minLength: count, maxLength: count }),
    }),
  ),
  { minLength: 1, maxLength: 4 },
);
const share = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });

test("the masks are those of sorting all blocks, within any bounds", () => {
  fc.assert(
    fc.property(layers, share, share, share, (all, ratio, first, second) => {
      const [least, most] = [Math.min(first, second), Math.max(first, second)];
      const contenders = all.map(({ scores, settled }) => ({
        scores: weightMatrix(scores, [1, scores.length]),
        settled: weightMatrix(Uint8Array.from(settled, Number), [1, scores.length]),
      }));
      const candidates = all.map(({ scores, settled }): ExactCandidate => {
        const pruned = settled.filter(Boolean).length;
        const bound = (one: number): number => Math.max(pruned, exactCount(scores.length, one));
        return {
          scores: scores.map((score, at) => (settled[at] ? Number.NEGATIVE_INFINITY : score)),
          pruned,
          least: bound(Math.min(least, ratio)),
          most: bound(most),
        };
      });
      const blocks = all.reduce((sum, { scores }) => sum + scores.length, 0);
      const pruned = candidates.reduce((sum, one) => sum + one.pruned, 0);
      const budget = Math.max(pruned, exactCount(blocks, ratio));
      const run = (): number[][] =>
        planExactBudget(candidates, budget, scratch).map(({ threshold, ties }, i) => {
          let left = ties;
          return Array.from(candidates[i].scores, (score) =>
            score < threshold || (score === threshold && left-- > 0) ? 0 : 1,
          );
        });
      let expected: number[][];
      try {
        expected = exactMasks(contenders, ratio, { least, most }).map(elements);
      } catch (error) {
        expect(error).toBeInstanceOf(Refusal);
        expect(run).toThrow(PruningError);
        return;
      }
      expect(run()).toEqual(expected);
    }),
    { numRuns: runsOf(300) },
  );
});

describe("each layer's fewest", () => {
  test("are all of them if the budget suffices, and otherwise missing at the end", () => {
    const two = [
      { least: 3, pruned: 1 },
      { least: 2, pruned: 0 },
    ];
    expect(fewestWithin(two, 5)).toEqual([3, 2]);
    expect(fewestWithin(two, 4)).toEqual([3, 1]);
    expect(fewestWithin(two, 2)).toEqual([2, 0]);
  });
});
