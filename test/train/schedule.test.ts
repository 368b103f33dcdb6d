import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type LearningRateSchedule,
  learningRateAt,
  SCHEDULE_NAMES,
  type ScheduleName,
} from "../../src/train/schedule.ts";

interface ScheduleCase {
  readonly name: ScheduleName;
  readonly base_lr: number;
  readonly num_warmup_steps: number;
  readonly num_training_steps: number;
  readonly lr_at_step: readonly number[];
}

const golden = process.env.ESPALIER_GOLDEN;

test("equals transformers.get_scheduler", () => {
  const cases: readonly ScheduleCase[] = JSON.parse(
    readFileSync(`${golden}/model/lr_schedule.json`, "utf8"),
  );
  expect(cases.length).toBeGreaterThan(5);
  for (const { name, base_lr, num_warmup_steps, num_training_steps, lr_at_step } of cases) {
    const schedule = { name, warmupSteps: num_warmup_steps, totalSteps: num_training_steps };
    lr_at_step.forEach((rate, step) => {
      const got = learningRateAt(schedule, base_lr, step);
      expect(Math.abs(got - rate), `${name} at ${step}`).toBeLessThanOrEqual(1e-15 * base_lr * 4);
    });
  }
});

const schedules: fc.Arbitrary<LearningRateSchedule> = fc
  .record({
    name: fc.constantFrom(...SCHEDULE_NAMES),
    warmupSteps: fc.nat(50),
    remaining: fc.integer({ min: 1, max: 200 }),
  })
  .map(({ name, warmupSteps, remaining }) => ({
    name,
    warmupSteps,
    totalSteps: warmupSteps + remaining,
  }));

test("every schedule stays between 0 and the base rate until its end", () => {
  fc.assert(
    fc.property(schedules, fc.double({ min: 1e-6, max: 1, noNaN: true }), (schedule, base) => {
      for (let step = 0; step <= schedule.totalSteps; step++) {
        const rate = learningRateAt(schedule, base, step);
        expect(rate).toBeGreaterThanOrEqual(0);
        expect(rate).toBeLessThanOrEqual(base * (1 + 1e-12));
      }
    }),
  );
});

test("after the warm-up no schedule rises, before its end", () => {
  fc.assert(
    fc.property(schedules, (schedule) => {
      for (let step = schedule.warmupSteps; step < schedule.totalSteps; step++) {
        const now = learningRateAt(schedule, 1, step);
        expect(learningRateAt(schedule, 1, step + 1)).toBeLessThanOrEqual(now);
      }
    }),
  );
});

test("decaying schedules end at zero, constant ones do not move, inverse_sqrt has no end", () => {
  fc.assert(
    fc.property(schedules, (schedule) => {
      const end = learningRateAt(schedule, 1, schedule.totalSteps);
      if (schedule.name.startsWith("constant")) expect(end).toBe(1);
      else if (schedule.name === "inverse_sqrt") expect(end).toBeGreaterThan(0);
      else expect(end).toBeLessThanOrEqual(1e-7);
    }),
  );
});

test("inverse_sqrt continues the warm-up and halves in four times its length", () => {
  const schedule = { name: "inverse_sqrt", warmupSteps: 100, totalSteps: 1000 } as const;
  expect(learningRateAt(schedule, 1, 99)).toBe(0.99);
  expect(learningRateAt(schedule, 1, 100)).toBe(1);
  expect(learningRateAt(schedule, 1, 400)).toBe(0.5);
  expect(learningRateAt({ ...schedule, warmupSteps: 0 }, 1, 30_000)).toBe(0.5);
});

test("options of single schedules", () => {
  const run = { warmupSteps: 0, totalSteps: 8 };
  const squared = { ...run, name: "polynomial", power: 2, endRate: 0 } as const;
  expect(learningRateAt(squared, 1, 4)).toBe(0.25);
  expect(learningRateAt({ ...squared, power: 100 }, 1, 7)).toBeLessThan(1e-90);
  const restarts = { ...run, name: "cosine_with_restarts", cycles: 2 } as const;
  expect([0, 2, 4, 8].map((step) => learningRateAt(restarts, 1, step))).toEqual([1, 0.5, 1, 0]);
  const waves = { ...run, name: "cosine", cycles: 1.5 } as const;
  expect(learningRateAt(waves, 1, 8)).toBe(0);
  const sameLength = { name: "polynomial", warmupSteps: 8, totalSteps: 8 } as const;
  expect(learningRateAt(sameLength, 1, 8)).toBe(1e-7);
});

test("refuses what is no schedule", () => {
  const schedule = { name: "linear", warmupSteps: 0, totalSteps: 10 } as const;
  expect(() => learningRateAt(schedule, 1, -1)).toThrow(RangeError);
  expect(() => learningRateAt(schedule, Number.NaN, 0)).toThrow(/baseRate: expected/);
  expect(() => learningRateAt({ ...schedule, warmupSteps: 0.5 }, 1, 0)).toThrow(/warmupSteps/);
  expect(() => learningRateAt({ ...schedule, power: -1 }, 1, 0)).toThrow(/power: expected/);
  const unknown = { ...schedule, name: "step" as ScheduleName };
  expect(() => learningRateAt(unknown, 1, 0)).toThrow(/schedule.name: expected one of linear/);
});
