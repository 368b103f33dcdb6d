import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { SparsityDecay } from "../../src/prune/config.ts";
import {
  isPruneStep,
  planPruneSteps,
  pruneSteps,
  type ScheduleConfig,
  targetRatio,
} from "../../src/prune/schedule.ts";
import { scheduledTarget } from "../../src/reference/schedule.ts";

const DECAYS: readonly SparsityDecay[] = ["exp", "cos", "linear", "cube"];

function schedule(fields: Partial<ScheduleConfig>): ScheduleConfig {
  return {
    targetSparsity: 0.9,
    startStep: 0,
    endStep: 10,
    pruningFrequency: 1,
    sparsityDecay: "exp",
    maxSparsityRatioPerOp: 0.98,
    ...fields,
  };
}

const steps = fc.record({
  startStep: fc.integer({ min: 0, max: 30 }),
  length: fc.integer({ min: 0, max: 60 }),
  pruningFrequency: fc.integer({ min: 1, max: 20 }),
});

test("prune steps are those that the predicate names, and as many as planned", () => {
  fc.assert(
    fc.property(steps, ({ startStep, length, pruningFrequency }) => {
      const config = schedule({ startStep, endStep: startStep + length, pruningFrequency });
      const named = Array.from({ length: startStep + length + 5 }, (_, i) => i).filter((step) =>
        isPruneStep(config, step),
      );
      expect(pruneSteps(config)).toEqual(named);
      const { total, completed } = planPruneSteps(config);
      expect(total - completed + 1).toBe(named.length);
    }),
  );
});

describe.each(DECAYS)("%s", (sparsityDecay) => {
  test("is the formula, grows, and ends at the target", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 0.97, noNaN: true }),
        fc.integer({ min: 1, max: 60 }),
        (targetSparsity, total) => {
          const config = schedule({ sparsityDecay, targetSparsity });
          const got = Array.from({ length: total + 1 }, (_, i) => targetRatio(config, i, total));
          got.forEach((target, i) => {
            const plain = scheduledTarget(sparsityDecay, i, total, 0, targetSparsity);
            expect(Math.abs(target - plain)).toBeLessThan(1e-13);
            if (i > 0) expect(target).toBeGreaterThanOrEqual((got[i - 1] as number) - 1e-15);
          });
          expect(got[0]).toBe(0);
          expect(Math.abs((got[total] as number) - targetSparsity)).toBeLessThan(1e-13);
          expect(got[total]).toBeLessThanOrEqual(targetSparsity);
        },
      ),
    );
  });
});

test("one-shot ignores decay and per-op bound; iterative stops at the bound", () => {
  expect(targetRatio(schedule({ endStep: 0, maxSparsityRatioPerOp: 0.5 }), 1, 1)).toBe(0.9);
  expect(
    targetRatio(schedule({ maxSparsityRatioPerOp: 0.5, sparsityDecay: "linear" }), 10, 10),
  ).toBe(0.5);
});
