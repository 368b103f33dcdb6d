/** Interpolated masks: in which order, how much at a time, when, and what stays in the end. */
import { describe, expect, test } from "vitest";
import type { LayerRecord, Profile } from "../../../src/index.ts";
import { bits, matrix, prunerOf, run, type Step, zerosOf } from "./run.ts";

/** Blocks of 4x1: in each layer one block is a weight of each output. */
function columns(name: string, values: readonly number[]): LayerRecord {
  return matrix(name, values, values, values, values);
}

const BASE = {
  pattern: "4x1",
  pruning_type: "magnitude_progressive",
  sparsity_decay_type: "linear",
  target_sparsity: 0.5,
} as const;

/** Zeros of all interpolated masks, step by step. */
function applied(steps: readonly Step[]): number[] {
  return steps.map(({ begun }) =>
    prunerOf(begun)
      .layers.map(({ progressiveMask }) => progressiveMask?.filter((bit) => bit === 0).length ?? 0)
      .reduce((sum, zeros) => sum + zeros, 0),
  );
}

describe("order", () => {
  const layers = [columns("a", [1, 2, 11, 12]), columns("b", [3, 4, 13, 14])];
  const keys = { ...BASE, end_step: 8, pruning_frequency: 8 };
  const first = (profile: Profile, scope: string) =>
    prunerOf(
      run({ ...keys, pruning_scope: scope }, layers, { profile, steps: 9 })[8]?.begun,
    ).layers.map(({ progressiveMask }) => bits(progressiveMask));

  test("inc adds whole blocks, ranked over all layers even in local scope", () => {
    // A quarter of 16 new zeros: the block of the least score.
    const block = ["0111011101110111", "1111111111111111"];
    expect(first("inc", "global")).toEqual(block);
    expect(first("inc", "local")).toEqual(block);
  });

  test("strict ranks each layer by itself in local scope, and adds a quarter exactly", () => {
    expect(first("strict", "global")).toEqual(["0111011101110111", "1111111111111111"]);
    expect(first("strict", "local")).toEqual(["0111011111111111", "0111011111111111"]);
  });

  test("ties bring whole blocks beyond the quarter under inc; strict stops at the quarter", () => {
    const tied = [columns("a", [1, 1, 1, 1, 12, 13, 14, 15])];
    const zeros = (profile: Profile) => applied(run(keys, tied, { profile, steps: 9 }))[8];
    expect(zeros("inc")).toBe(16);
    expect(zeros("strict")).toBe(4);
  });
});

describe("prune steps that leave time for fewer than four parts", () => {
  // 16 new zeros, four blocks, at each prune step.
  const layers = [columns("a", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16])];
  const zeros = (profile: Profile, pruning_frequency: number) => {
    const end_step = 3 * pruning_frequency;
    const keys = { ...BASE, target_sparsity: 0.75, end_step, pruning_frequency };
    return applied(run(keys, layers, { profile, steps: end_step })).slice(pruning_frequency);
  };

  test("inc applies only a quarter of the new zeros until the next prune step", () => {
    expect(zeros("inc", 2)).toEqual([4, 4, 20, 20]);
    expect(zeros("inc", 3)).toEqual([4, 4, 4, 20, 20, 20]);
  });

  test("strict applies all of them, in two or three parts", () => {
    expect(zeros("strict", 2)).toEqual([8, 16, 24, 32]);
    expect(zeros("strict", 3)).toEqual([5, 10, 16, 21, 26, 32]);
  });
});

test("inc counts ticks from start_step; strict from the prune step before", () => {
  const keys = { ...BASE, end_step: 18, pruning_frequency: 9 };
  const layers = [columns("a", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16])];
  const zeros = (profile: Profile) => applied(run(keys, layers, { profile, steps: 18 })).slice(9);
  // 16 new zeros at step 9, in quarters two steps apart.
  expect(zeros("inc")).toEqual([4, 4, 4, 8, 8, 12, 12, 16, 16]);
  expect(zeros("strict")).toEqual([4, 4, 8, 8, 12, 12, 16, 16, 16]);
});

test("after end_step inc applies the full masks once, then the interpolated ones, so that weights regrow; under strict zeros stay", () => {
  const keys = { ...BASE, end_step: 8, pruning_frequency: 4 };
  const layers = [columns("a", [1, 2, 3, 4, 5, 6, 7, 8])];
  const zeros = (profile: Profile) =>
    run(keys, layers, { profile, steps: 11, optimizer: (weight) => weight + 1 })
      .slice(9)
      .flatMap((step) => [zerosOf(step.begunLayers), zerosOf(step.layers)].flat());
  expect(zeros("inc")).toEqual([16, 12, 12, 12]);
  expect(zeros("strict")).toEqual([16, 16, 16, 16]);
});

test("inc's targets start from 0 whatever sparsity was found; strict's from there", () => {
  const pruning_configs = [{ lock_init_sparsity: true }];
  const keys = { ...BASE, end_step: 8, pruning_frequency: 4, pruning_configs };
  const layers = [columns("a", [0, 1, 2, 3])];
  const targets = (profile: Profile) =>
    run(keys, layers, { profile, steps: 9 })
      .filter((_, step) => step % 4 === 0)
      .map(({ begun }) => prunerOf(begun).lastEvent?.targetRatio);
  expect(targets("inc")).toEqual([0, 0.25, 0.5]);
  expect(targets("strict")).toEqual([0.25, 0.375, 0.5]);
});

describe("settings without room for interpolation", () => {
  const layers = [columns("a", [1, 2, 3, 4])];

  test.each([
    ["a range of four steps", { end_step: 4, pruning_frequency: 2 }],
    ["a frequency of 1", { end_step: 9, pruning_frequency: 1 }],
  ])("%s: inc prunes plainly without a word, strict refuses", (_, fields) => {
    const keys = { ...BASE, ...fields };
    const steps = run(keys, layers, { profile: "inc", steps: 10 });
    expect(prunerOf(steps[0]?.begun).interpolating).toBe(false);
    expect(zerosOf(steps.at(-1)?.layers)).toEqual([8]);
    expect(() => run(keys, layers, { profile: "strict", steps: 1 })).toThrow(
      /^progressive pruning: expected more than 4 steps from start_step to end_step and a pruning_frequency above 1/,
    );
  });

  test("blocks of fewer than four weights are refused in both profiles", () => {
    const keys = { ...BASE, pattern: "2x1", end_step: 9, pruning_frequency: 4 };
    for (const profile of ["inc", "strict"] as const)
      expect(() => run(keys, layers, { profile, steps: 1 })).toThrow(
        /expected at least 4 elements to prune at a time, got 2/,
      );
  });
});
