import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createBackend } from "../../src/kernels/backend.ts";
import type { TrainingEvent } from "../../src/train/events.ts";
import { fineTune } from "../../src/train/loop.ts";
import type { TrainingSettingsOptions } from "../../src/train/settings.ts";
import { storedParameters } from "../../src/train/snapshot.ts";
import {
  epochsOfRun,
  updateSizes,
  updatesByEpoch,
  updatesOfRun,
} from "../../src/train/stepping.ts";
import { PRUNING, perceptronOptions } from "./perceptron.ts";

const counts = fc.record({
  batches: fc.integer({ min: 1, max: 40 }),
  epochs: fc.integer({ min: 1, max: 12 }),
  gradientAccumulationSteps: fc.integer({ min: 1, max: 9 }),
  maxTrainSteps: fc.option(fc.integer({ min: 1, max: 200 })),
});

/** The loops of run_glue_no_trainer.py: the numbers of batches of the updates of each epoch. */
function scriptUpdates(
  batches: number,
  epochs: number,
  accumulation: number,
  maxTrainSteps: number | null,
): readonly (readonly number[])[] {
  const perEpoch = Math.ceil(batches / accumulation);
  const most = maxTrainSteps ?? epochs * perEpoch;
  const all = maxTrainSteps === null ? epochs : Math.ceil(maxTrainSteps / perEpoch);
  let completed = 0;
  return Array.from({ length: all }, () => {
    const updates: number[] = [];
    let pending = 0;
    for (let step = 0; step < batches; step++) {
      pending++;
      if (step % accumulation === 0 || step === batches - 1) {
        updates.push(pending);
        pending = 0;
        completed++;
      }
      if (completed >= most) break;
    }
    return updates;
  });
}

test("under inc, updates are those of INC's example script", () => {
  fc.assert(
    fc.property(counts, ({ batches, epochs, ...settings }) => {
      const inc = { ...settings, profile: "inc" } as const;
      const { gradientAccumulationSteps, maxTrainSteps } = settings;
      const script = scriptUpdates(batches, epochs, gradientAccumulationSteps, maxTrainSteps);
      const sizes = updateSizes(batches, inc);
      const updates = updatesByEpoch(batches, epochs, inc);
      expect(updates.map((own) => sizes.slice(0, own))).toEqual(script);
      expect(epochsOfRun(batches, epochs, inc)).toBe(script.length);
    }),
    { numRuns: 500 },
  );
});

test("under strict, updates have n batches, the last of an epoch the rest, and the run stops where it should", () => {
  fc.assert(
    fc.property(counts, ({ batches, epochs, ...settings }) => {
      const strict = { ...settings, profile: "strict" } as const;
      const { gradientAccumulationSteps: most } = settings;
      const sizes = updateSizes(batches, strict);
      expect(sizes.slice(0, -1).every((size) => size === most)).toBe(true);
      expect(sizes.reduce((a, b) => a + b)).toBe(batches);
      const all = updatesByEpoch(batches, epochs, strict).reduce((a, b) => a + b);
      expect(all).toBe(updatesOfRun(batches, epochs, strict));
      expect(all).toBe(settings.maxTrainSteps ?? epochs * Math.ceil(batches / most));
    }),
  );
});

describe("a run", () => {
  const backend = createBackend({ variant: "scalar" });
  const ACCUMULATED = { gradientAccumulationSteps: 3, maxTrainSteps: 8 };

  /** Trains the perceptron; returns the steps, the epochs and the weights. */
  async function train(settings: TrainingSettingsOptions, change: object = {}) {
    const options = { ...perceptronOptions(backend, settings), ...change };
    const events: TrainingEvent[] = [];
    for await (const event of fineTune(options)) events.push(event);
    return { events, weights: storedParameters(options.model.parameters) };
  }

  test("under strict, n batches of b rows are a step like one batch of n x b rows", async () => {
    const optimizer = { learningRate: 0.01 };
    for (const pruning of [null, PRUNING]) {
      const settings = { optimizer, pruning, profile: "strict" } as const;
      const whole = await train(settings, { batchSize: 12 });
      const parts = await train({ ...settings, gradientAccumulationSteps: 3 }, { batchSize: 4 });
      expect(parts.events.length).toBe(whole.events.length);
      for (const [name, { data }] of whole.weights) {
        const got = parts.weights.get(name)?.data ?? new Float32Array(0);
        // Sums over rows are rounded in another order, which 36 steps of 0.01 with Adam amplify.
        data.forEach((value, i) => {
          expect(Math.abs((got[i] ?? Number.NaN) - value), name).toBeLessThan(1e-4);
          if (value === 0) expect(got[i]).toBe(0);
        });
      }
    }
  });

  test("under inc, the first update has one batch, and losses are divided by n", async () => {
    const { events } = await train({ gradientAccumulationSteps: 3 });
    // 7 batches: updates of 1, 3 and 3; 4 epochs of int(7 / 3 + 1) updates.
    expect(events[0]).toMatchObject({ epochs: 4, stepsPerEpoch: 3, totalSteps: 12 });
    expect(events.at(-1)).toMatchObject({ step: 12, completed: true });
    const [first] = events.filter((event) => event.type === "step");
    const [plain] = (await train({})).events.filter((event) => event.type === "step");
    expect(first?.loss).toBe(plain?.loss);
  });

  test("maxTrainSteps ends it within an epoch, which is evaluated", async () => {
    for (const profile of ["inc", "strict"] as const) {
      const { events } = await train({ maxTrainSteps: 10, profile });
      expect(events[0]).toMatchObject({ epochs: 2, stepsPerEpoch: 7, totalSteps: 10 });
      const epochs = events.filter((event) => event.type === "epoch");
      expect(epochs.map(({ step, evaluation }) => [step, evaluation?.examples])).toEqual([
        [7, 50],
        [10, 50],
      ]);
      const last = events.filter((event) => event.type === "step").slice(7);
      const mean = last.reduce((sum, { loss }) => sum + loss, 0) / 3;
      expect(epochs[1]?.trainingLoss).toBeCloseTo(mean, 12);
    }
  });

  test.each([1, 3, 5, 8])("continues after update %i with the same bytes", async (stop) => {
    for (const profile of ["inc", "strict"] as const) {
      const settings = { ...ACCUMULATED, pruning: PRUNING, maxGradNorm: 0.5, profile };
      const whole = await train(settings);
      const controller = new AbortController();
      const options = perceptronOptions(backend, settings);
      const run = fineTune({ ...options, signal: controller.signal });
      const begun: TrainingEvent[] = [];
      for await (const event of run) {
        begun.push(event);
        if (event.type === "step" && event.step === stop) controller.abort();
      }
      const resumed = await train(settings, { resumeFrom: run.snapshot() });
      expect(resumed.weights).toEqual(whole.weights);
      const steps = (events: readonly TrainingEvent[]) =>
        events.filter(({ type }) => type === "step" || type === "epoch");
      expect([...steps(begun), ...steps(resumed.events)]).toEqual(steps(whole.events));
    }
  });

  test("does not continue with other settings", async () => {
    const run = fineTune(perceptronOptions(backend));
    const resumeFrom = run.snapshot();
    for (const [name, value] of Object.entries({
      ...ACCUMULATED,
      maxGradNorm: 1,
      labelSmoothing: 0.1,
      classWeights: [1, 2],
    }))
      expect(() =>
        fineTune({ ...perceptronOptions(backend, { [name]: value }), resumeFrom }),
      ).toThrow(`settings.${name}`);
  });
});
