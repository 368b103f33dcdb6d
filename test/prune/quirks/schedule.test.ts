/** When and how much: the first prune step, short ranges, missing scores, lowered targets, rounding. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Profile } from "../../../src/index.ts";
import type { SparsityDecay } from "../../../src/prune/config.ts";
import { targetRatio } from "../../../src/prune/schedule.ts";
import { masksOf, matrix, prunerOf, run, type Step, zerosOf } from "./run.ts";

const BASE = { pattern: "1x1", pruning_type: "magnitude", sparsity_decay_type: "linear" } as const;
const row = matrix("a", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);

function targetsOf(steps: readonly Step[]): (number | undefined)[] {
  return steps.map(({ begun }) => prunerOf(begun).lastEvent?.targetRatio);
}

describe.each(["inc", "strict"] as const)("%s", (profile) => {
  test("the first prune step asks for the initial share, so it prunes nothing", () => {
    const keys = { ...BASE, target_sparsity: 0.5, start_step: 1, end_step: 3 };
    const steps = run(keys, [row], { profile, steps: 4 });
    expect(targetsOf(steps)).toEqual([undefined, 0, 0.25, 0.5]);
    expect(steps.map(({ layers }) => zerosOf(layers)[0])).toEqual([0, 0, 2, 5]);
  });

  test("where the range is shorter than the frequency the whole target is due at start_step", () => {
    const keys = {
      ...BASE,
      target_sparsity: 0.5,
      start_step: 1,
      end_step: 4,
      pruning_frequency: 9,
    };
    const steps = run(keys, [row], { profile, steps: 2 });
    expect(steps.map(({ layers }) => zerosOf(layers)[0])).toEqual([0, 5]);
  });

  test("cube is (t/T)^3, slow at first", () => {
    const keys = { ...BASE, sparsity_decay_type: "cube", target_sparsity: 0.5, end_step: 2 };
    expect(targetsOf(run(keys, [row], { profile, steps: 3 }))).toEqual([0, 0.0625, 0.5]);
  });
});

/** One decay of schedule.json: the targets that INC gives for 0, 1, ... prune steps done. */
interface Decay {
  readonly decay: SparsityDecay;
  readonly target: number;
  readonly max_sparsity_ratio_per_op: number;
  readonly init: number;
  readonly total: number;
  readonly values: readonly number[];
}

test("targets come from correctly rounded powers and cosines, in both profiles", () => {
  const path = new URL("../../golden/pruning_tables/schedule.json", import.meta.url);
  const { iterative }: { iterative: readonly Decay[] } = JSON.parse(readFileSync(path, "utf8"));
  const wrong = iterative.filter((row) => {
    const config = {
      targetSparsity: row.target,
      maxSparsityRatioPerOp: row.max_sparsity_ratio_per_op,
      sparsityDecay: row.decay,
      startStep: 0,
      endStep: 1,
      pruningFrequency: 1,
    };
    return row.values.some((value, i) => targetRatio(config, i, row.total, row.init) !== value);
  });
  expect(iterative.length).toBeGreaterThan(300);
  expect(wrong).toEqual([]);
});

describe.each(["gradient", "snip"])("%s has no scores before its first gradient", (criterion) => {
  const gradient = () => [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  const keys = { ...BASE, pruning_type: criterion, target_sparsity: 0.5 };

  test.each(["inc", "strict"] as const)("a prune step at 0 counts as done: %s", (profile) => {
    const steps = run({ ...keys, end_step: 2 }, [row], { profile, steps: 3, gradient });
    expect(prunerOf(steps[0]?.begun)).toMatchObject({
      completedPruneSteps: 1,
      lastEvent: { scored: false, prunedBlocks: 0 },
    });
    // Its target was the initial share, so nothing is lost.
    expect(steps.map(({ layers }) => zerosOf(layers)[0])).toEqual([0, 2, 5]);
  });

  test("as the only prune step it is lost: inc never prunes, strict refuses", () => {
    const only = { ...keys, end_step: 5, pruning_frequency: 10 };
    const steps = run(only, [row], { profile: "inc", steps: 7, gradient });
    expect(zerosOf(steps.at(-1)?.layers)).toEqual([0]);
    expect(() => run(only, [row], { profile: "strict", steps: 1 })).toThrow(
      /start_step: expected a prune step after step 0 for the/,
    );
  });
});

test("all-zero snip_momentum scores at the full target zero whole layers in order under inc; strict refuses", () => {
  const layers = [matrix("a", [1, 2, 3, 4]), matrix("b", [5, 6, 7, 8])];
  const keys = { pattern: "1x1", target_sparsity: 0.5, end_step: 5, pruning_frequency: 10 };
  expect(masksOf(run(keys, layers, { profile: "inc", steps: 1 })[0]?.begun)).toEqual([
    "0000",
    "1111",
  ]);
  expect(() => run(keys, layers, { profile: "strict", steps: 1 })).toThrow(
    /expected a prune step after step 0/,
  );
});

test("block masks have no gradients before start_step: as the only prune step it goes by zeros under inc; strict refuses", () => {
  const layers = [matrix("a", [1, 2, 3, 4]), matrix("b", [5, 6, 7, 8])];
  const block = { pattern: "1x1", pruning_type: "block_mask", target_sparsity: 0.5 };
  const keys = { ...block, start_step: 2, end_step: 2 };
  const gradient = () => [4, 3, 2, 1];
  const steps = run(keys, layers, { profile: "inc", steps: 3, gradient });
  expect(masksOf(steps[2]?.begun)).toEqual(["0000", "1111"]);
  expect(() => run(keys, layers, { profile: "strict", steps: 1, gradient })).toThrow(
    /start_step: expected a prune step after step 2 for the block_mask criterion/,
  );
});

test("scores that are all zero later on: inc overshoots or stops short by layer, strict is exact", () => {
  const layers = [matrix("a", [1, 2, 3, 4]), matrix("b", [5, 6, 7, 8])];
  const keys = { ...BASE, pruning_type: "snip_momentum", target_sparsity: 0.25, end_step: 2 };
  const zeros = (profile: Profile) =>
    zerosOf(run(keys, layers, { profile, steps: 3 }).at(-1)?.layers);
  expect(zeros("inc")).toEqual([4, 0]);
  expect(zeros("strict")).toEqual([2, 0]);
});

describe("a target above max_sparsity_ratio_per_op", () => {
  const keys = { ...BASE, target_sparsity: 0.8, max_sparsity_ratio_per_op: 0.5 };

  test("is lowered to it by inc's iterative schedule and kept by its one-shot schedule", () => {
    const iterative = run({ ...keys, end_step: 2 }, [row], { profile: "inc", steps: 3 });
    expect(targetsOf(iterative)).toEqual([0, 0.25, 0.5]);
    expect(zerosOf(iterative.at(-1)?.layers)).toEqual([5]);
    const oneShot = run(keys, [row], { profile: "inc", steps: 1 });
    expect(targetsOf(oneShot)).toEqual([0.8]);
  });

  test("is refused by strict, which would miss it", () => {
    const message = /max_sparsity_ratio_per_op: expected room for 8 blocks, got 5 with 0.5/;
    expect(() => run({ ...keys, end_step: 2 }, [row], { profile: "strict", steps: 1 })).toThrow(
      message,
    );
    expect(() => run(keys, [row], { profile: "strict", steps: 1 })).toThrow(message);
  });
});

test("a product such as 0.6999999999999998 loses a block under inc; strict counts 7 of 10", () => {
  const keys = { ...BASE, target_sparsity: 0.7, end_step: 3 };
  const last = (profile: Profile) => run(keys, [row], { profile, steps: 4 }).at(-1);
  expect(prunerOf(last("inc")?.ended).lastEvent?.targetRatio).toBe(0.6999999999999998);
  expect(zerosOf(last("inc")?.layers)).toEqual([6]);
  expect(zerosOf(last("strict")?.layers)).toEqual([7]);
});
