import fc from "fast-check";
import { expect, test } from "vitest";
import { recordTraining, type SeedHistory } from "../../src/run/seed-history.ts";
import type { StepEvent } from "../../src/train/events.ts";

const PHASE = { phase: "sparse", recipe: "r", pattern: "4x1", seed: 1 } as const;

function step(number: number, target: number, reached: number): StepEvent {
  const rest = { epoch: 1, loss: 1, learningRate: 0.1 };
  return { type: "step", step: number, targetSparsity: target, reachedSparsity: reached, ...rest };
}

/** The value that a schedule shows at a step: that of the last point at or before it. */
function shownAt(history: SeedHistory, at: number): readonly number[] {
  const points = history[0]?.schedule.filter((point) => point.step <= at) ?? [];
  const last = points.at(-1);
  return last === undefined ? [] : [last.target, last.reached];
}

test("the kept points show the value of every step", () => {
  const values = fc.array(
    fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 2 })),
    {
      minLength: 1,
      maxLength: 40,
    },
  );
  fc.assert(
    fc.property(values, (steps) => {
      const history = steps.reduce<SeedHistory>(
        (before, [target, reached], index) =>
          recordTraining(
            before,
            { type: "training", ...PHASE, event: step(index + 1, target, reached) },
            null,
          ),
        [],
      );
      steps.forEach((value, index) => {
        expect(shownAt(history, index + 1)).toEqual(value);
      });
      const schedule = history[0]?.schedule ?? [];
      expect(schedule.at(-1)?.step).toBe(steps.length);
      const changes = steps.filter((value, index) => String(value) !== String(steps[index - 1]));
      expect(schedule.length).toBeLessThanOrEqual(2 * changes.length + 1);
    }),
  );
});

test("a dense phase has no schedule", () => {
  const dense = { ...step(1, 0, 0), targetSparsity: null, reachedSparsity: null };
  const event = { type: "training", ...PHASE, phase: "dense", event: dense } as const;
  expect(recordTraining([], event, null)[0]?.schedule).toEqual([]);
});
