/** Group lasso, locks that cancel, shared layers, rounding to bfloat16, momentum. */
import { describe, expect, test } from "vitest";
import { type Profile, sparsityStatistics } from "../../../src/index.ts";
import { layerOf, masksOf, matrix, prunerOf, run } from "./run.ts";

describe("group lasso", () => {
  const keys = {
    pattern: "1x2",
    pruning_type: "magnitude",
    target_sparsity: 0,
    sparsity_decay_type: "linear",
    end_step: 4,
    pruning_configs: [{ reg_type: "group_lasso", parameters: { reg_coeff: 1 } }],
  };
  const weights = (profile: Profile, gradient: readonly number[]) => [
    ...(run(keys, [matrix("a", [3, 4, 0.375, 0.5])], {
      profile,
      steps: 1,
      gradient: () => gradient,
    })[0]?.layers[0]?.data ?? []),
  ];

  test("inc shrinks by the norm of the block's gradient; strict by that of its weights, down to zero", () => {
    // Norms of the gradient: 2 and 4; of the weights: 5 and 0.625.
    expect(weights("inc", [0, 2, 4, 0])).toEqual([1.5, 2, 0.28125, 0.375]);
    const strict = weights("strict", [0, 2, 4, 0]);
    expect(strict[0]).toBeCloseTo(2.4, 6);
    expect(strict[1]).toBeCloseTo(3.2, 6);
    expect(strict.slice(2)).toEqual([0, 0]);
  });

  test("a block without gradient explodes under inc, and is like any other under strict", () => {
    expect(weights("inc", [0, 0, 1, 0])[0]).toBeLessThan(-1e12);
    expect(weights("strict", [0, 0, 1, 0])).toEqual(weights("strict", [9, 9, 9, 9]));
  });

  test("inc breaks on a layer frozen at its bound, so it is refused; strict freezes none", () => {
    const bounded = {
      ...keys,
      target_sparsity: 0.5,
      end_step: 2,
      max_sparsity_ratio_per_op: 0.5,
    };
    const layers = [matrix("small", [1, 1, 2, 2, 3, 3, 4, 4]), matrix("large", Array(8).fill(9))];
    const start = (profile: Profile) =>
      run({ ...bounded, min_sparsity_ratio_per_op: 0.5 }, layers, {
        profile,
        steps: 3,
        gradient: ({ data }) => Array.from(data, () => 100),
      });
    expect(() => start("inc")).toThrow(/small: expected no layer to reach a per-op bound/);
    expect(start("strict")).toHaveLength(3);
  });
});

test("a locked block whose weights add up to 0 counts as zero under inc; strict looks at each weight", () => {
  const keys = { pattern: "2x1", pruning_type: "pattern_lock" };
  const lock = (profile: Profile) =>
    masksOf(run(keys, [matrix("a", [1, 0, 2], [-1, 0, 3])], { profile, steps: 1 })[0]?.begun)[0];
  expect(lock("inc")).toBe("001001");
  expect(lock("strict")).toBe("101101");
});

test("INC's figures count a layer of two pruners twice; the others of the same statistics once", () => {
  const half = { pattern: "1x1", pruning_type: "magnitude", target_sparsity: 0.5 };
  for (const profile of ["inc", "strict"] as const) {
    const [step] = run({ pruning_configs: [half, half] }, [matrix("a", [1, 2, 3, 4])], {
      profile,
      steps: 1,
    });
    if (step === undefined) throw new Error("expected a step");
    const { inc, prunedLayers, linearConv } = sparsityStatistics(step.ended, step.layers);
    expect(inc.elementwiseOverLinearConv).toBe(1);
    expect(inc.blockwiseOverLinearConv).toBe(1);
    expect(prunedLayers).toEqual({ zeros: 2, total: 4, ratio: 0.5 });
    expect(linearConv.ratio).toBe(0.5);
  }
});

describe("snip_momentum", () => {
  const keys = { pattern: "1x1", target_sparsity: 0.5, start_step: 8, end_step: 9 };
  const scores = (profile: Profile, low_memory_usage: boolean) =>
    run({ ...keys, low_memory_usage }, [matrix("a", [1, 2])], {
      profile,
      steps: 2,
      gradient: (_, step) => (step === 0 ? [1, 1] : [1, 0]),
    }).map(({ scored }) => [...(layerOf(scored, "a").scores ?? [])]);

  test.each(["inc", "strict"] as const)(
    "scores are 0.9 x old + 1.0 x new, not the reverse as INC's documentation has it: %s",
    (profile) => {
      const [first, second] = scores(profile, false);
      expect(first).toEqual([1, 2]);
      const old = Math.fround(0.9);
      expect(second).toEqual([Math.fround(old + 1), Math.fround(2 * old)]);
    },
  );

  test.each(["inc", "strict"] as const)(
    "in bfloat16 they decay by 0.8984375, the nearest to 0.9: %s",
    (profile) => {
      expect(scores(profile, true)[1]).toEqual([1.8984375, 2 * 0.8984375].map(toBfloat16));
    },
  );
});

/** To nearest, for numbers from 1 to 2 with their eight bits. */
function toBfloat16(value: number): number {
  return Math.round(value * 128) / 128;
}

test("each pruner has its own schedule and masks", () => {
  const magnitude = { pattern: "1x1", pruning_type: "magnitude", target_sparsity: 0.5 };
  const layers = [matrix("a", [1, 2, 3, 4]), matrix("b", [1, 2, 3, 4])];
  const pruning_configs = [
    { ...magnitude, op_names: ["a"] },
    { ...magnitude, op_names: ["b"], start_step: 1, end_step: 1 },
  ];
  for (const profile of ["inc", "strict"] as const) {
    const steps = run({ pruning_configs }, layers, { profile, steps: 2 });
    expect(prunerOf(steps[0]?.begun, 1).lastEvent).toBeNull();
    expect(prunerOf(steps[1]?.begun, 1).lastEvent?.prunedBlocks).toBe(2);
  }
});
