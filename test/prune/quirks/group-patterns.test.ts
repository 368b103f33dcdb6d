/** N:M: what N counts, what a group scores, when it counts as pruned, and what a lock makes of it. */
import { describe, expect, test } from "vitest";
import {
  type LayerRecord,
  type Profile,
  parsePattern,
  pruneOnce,
  sparsityStatistics,
} from "../../../src/index.ts";
import { masksOf, matrix, prunerOf, run } from "./run.ts";

function maskOnce(
  layer: LayerRecord,
  profile: Profile,
  pattern: string,
  targetSparsity: number,
): string {
  const options = { pattern, targetSparsity, profile, excludeHead: false };
  return pruneOnce([layer], options).masks.get(layer.name)?.join("") ?? "none";
}

test("N is the number pruned of every M, in both profiles", () => {
  expect(parsePattern("1:4")).toEqual({ kind: "group", prune: 1, of: 4 });
  for (const profile of ["inc", "strict"] as const)
    expect(maskOnce(matrix("a", [2, 1, 3, 4, 8, 7, 6, 5]), profile, "1:4", 0.25)).toBe("10111110");
});

describe.each([
  ["1:4", 0.25, 4],
  ["2:8", 0.25, 8],
] as const)("%s", (pattern, target, size) => {
  const row = Array.from({ length: 2 * size }, (_, i) => i + 1);
  const last = (profile: Profile) => {
    const keys = { pattern, pruning_type: "magnitude", target_sparsity: target };
    return run(keys, [matrix("a", row)], { profile, steps: 1 })[0];
  };

  test("inc never counts a group as pruned, since more than N of it are left; strict does", () => {
    const zeros = (profile: Profile) =>
      last(profile)?.layers[0]?.data.filter((w) => w === 0).length;
    expect([zeros("inc"), zeros("strict")]).toEqual([size / 2, size / 2]);
    expect(prunerOf(last("inc")?.ended)).toMatchObject({
      currentSparsity: 0,
      lastEvent: { prunedBlocks: 0, totalBlocks: 2 },
    });
    expect(prunerOf(last("strict")?.ended)).toMatchObject({
      currentSparsity: target,
      lastEvent: { prunedBlocks: 2, totalBlocks: 2 },
    });
  });

  test("statistics state INC's figure and the true one side by side", () => {
    const step = last("strict");
    if (step === undefined) throw new Error("expected a step");
    const { inc, pruners } = sparsityStatistics(step.ended, step.layers);
    expect(inc.blockwiseOverLinearConv).toBe(0);
    expect(pruners[0]?.blocks).toEqual({ zeros: 2, total: 2, ratio: 1 });
  });
});

test("inc's bound per layer never binds for 1:4, since nothing counts; strict's does", () => {
  const layers = [matrix("a", [1, 9, 9, 9, 2, 9, 9, 9]), matrix("b", [3, 9, 9, 9, 4, 9, 9, 9])];
  const options = { pattern: "1:4", targetSparsity: 0.125, maxSparsityRatioPerOp: 0.125 };
  const masks = (profile: Profile) => [
    ...pruneOnce(layers, { ...options, profile, excludeHead: false }).masks.values(),
  ];
  expect(masks("inc").map((mask) => mask.join(""))).toEqual(["01110111", "11111111"]);
  expect(masks("strict").map((mask) => mask.join(""))).toEqual(["01111111", "01111111"]);
});

test("a group's score is that of its N lowest, whatever the others are, in both profiles", () => {
  const row = matrix("a", [1, 1, 100, 100, 2, 2, 2, 3]);
  for (const profile of ["inc", "strict"] as const)
    expect(maskOnce(row, profile, "2:4", 0.25)).toBe("00111111");
});

test("inc prunes all of a group that tie with its N-th lowest; strict prunes N", () => {
  const row = matrix("a", [1, 1, 1, 5, 2, 3, 4, 5]);
  expect(maskOnce(row, "inc", "2:4", 0.5)).toBe("00010011");
  expect(maskOnce(row, "strict", "2:4", 0.5)).toBe("00110011");
});

describe("pattern lock", () => {
  const lock = (pattern: string, row: readonly number[], profile: Profile) =>
    masksOf(
      run({ pattern, pruning_type: "pattern_lock" }, [matrix("a", row)], { profile, steps: 1 })[0]
        ?.begun,
    )[0];

  test("at 2:4 inc zeroes what legal groups keep; strict locks their zeros only", () => {
    const legal = [0, 0, 3, 4, 0, 2, 0, 4];
    expect(lock("2:4", legal, "inc")).toBe("00000000");
    expect(lock("2:4", legal, "strict")).toBe("00110101");
  });

  test("at 1:4 inc locks nothing; strict locks the zeros", () => {
    const legal = [0, 2, 3, 4, 1, 0, 3, 4];
    expect(lock("1:4", legal, "inc")).toBe("11111111");
    expect(lock("1:4", legal, "strict")).toBe("01111011");
  });
});
