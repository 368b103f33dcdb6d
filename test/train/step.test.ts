import { describe, expect, test } from "vitest";
import { createBackend } from "../../src/kernels/backend.ts";
import { parameterNamed } from "../../src/tensor/parameter.ts";
import { clippingFactor, gradientNorm } from "../../src/train/clipping.ts";
import { createSession } from "../../src/train/session.ts";
import { type TrainingSettingsOptions, trainingSettings } from "../../src/train/settings.ts";
import { trainStepInto } from "../../src/train/step.ts";
import { collate, createPerceptron, makeRows, PRUNING } from "./perceptron.ts";

const backend = createBackend({ variant: "scalar" });
const BATCH = collate(makeRows(10, 16));

/** Runs one step of the perceptron; returns the session and the loss. */
function step(settings: TrainingSettingsOptions) {
  const session = createSession(backend, createPerceptron(backend, 1), trainingSettings(settings));
  const { loss } = trainStepInto(session, BATCH);
  return { session, loss };
}

describe("clipping", () => {
  /** The gradient of a plain step, which a rate of 0 and no momentum leave as the first moment. */
  function gradientsOf(settings: TrainingSettingsOptions): ReadonlyMap<string, Float32Array> {
    const optimizer = { learningRate: 0, betas: [0, 0.999] as const };
    const { session } = step({ ...settings, optimizer });
    return new Map(
      session.optimizer.slots.map(({ parameter, firstMoment }) => [
        parameter.name,
        firstMoment.data.slice(),
      ]),
    );
  }

  function normOf(gradients: ReadonlyMap<string, Float32Array>): number {
    const parameters = [...gradients].map(([name, data]) => {
      const parameter = parameterNamed(createPerceptron(backend, 1).parameters, name);
      parameter.gradient.data.set(data);
      return parameter;
    });
    return gradientNorm(parameters);
  }

  test("scales the gradients of all trained parameters by one factor", () => {
    const plain = gradientsOf({});
    const factor = clippingFactor(normOf(plain), 0.25);
    expect(factor).toBeLessThan(0.9);
    for (const [name, data] of gradientsOf({ maxGradNorm: 0.25 }))
      data.forEach((value, i) => {
        const expected = (plain.get(name)?.[i] ?? Number.NaN) * factor;
        expect(Math.abs(value - expected)).toBeLessThanOrEqual(Math.abs(expected) * 2 ** -22);
      });
    expect(gradientsOf({ maxGradNorm: 1e6 })).toEqual(plain);
  });

  test("leaves fixed parameters out of the norm", () => {
    const parameterRules = [{ names: "^output", treatment: "fixed" }] as const;
    const plain = gradientsOf({ parameterRules });
    expect([...plain.keys()]).toEqual(["hidden.weight", "hidden.bias"]);
    const factor = clippingFactor(normOf(plain), 0.25);
    const clipped = gradientsOf({ parameterRules, maxGradNorm: 0.25 });
    const [before, after] = [plain, clipped].map((each) => each.get("hidden.weight")?.[5] ?? 0);
    expect(after).toBeCloseTo((before ?? 0) * factor, 6);
  });

  test("comes before criteria read gradients", () => {
    const scoresOf = (settings: TrainingSettingsOptions): Float32Array => {
      const { session } = step({ pruning: { ...PRUNING, pruning_type: "snip" }, ...settings });
      return session.pruning?.state.pruners[0]?.layers[0]?.scores ?? new Float32Array(0);
    };
    const plain = scoresOf({});
    const factor = clippingFactor(normOf(gradientsOf({})), 0.25);
    const clipped = scoresOf({ maxGradNorm: 0.25 });
    expect(clipped.length).toBeGreaterThan(0);
    clipped.forEach((value, i) => {
      expect(value).toBeCloseTo((plain[i] ?? Number.NaN) * factor, 5);
    });
  });
});

test("label smoothing and class weights change the loss of a step", () => {
  const plain = step({}).loss;
  const smooth = step({ labelSmoothing: 0.2 }).loss;
  const weighted = step({ classWeights: [1, 3] }).loss;
  expect(new Set([plain, smooth, weighted]).size).toBe(3);
  expect(step({ classWeights: [2, 2] }).loss).toBeCloseTo(plain, 6);
  expect(() => step({ classWeights: [1, 2, 3] })).toThrow("classWeights: expected 2 elements");
});

test("invalid settings are refused by name", () => {
  const wrong: readonly (readonly [TrainingSettingsOptions, string])[] = [
    [{ maxGradNorm: 0 }, "settings.maxGradNorm"],
    [{ maxGradNorm: Number.NaN }, "settings.maxGradNorm"],
    [{ gradientAccumulationSteps: 0 }, "settings.gradientAccumulationSteps"],
    [{ gradientAccumulationSteps: 1.5 }, "settings.gradientAccumulationSteps"],
    [{ maxTrainSteps: 0 }, "settings.maxTrainSteps"],
    [{ labelSmoothing: -0.1 }, "settings.labelSmoothing"],
    [{ labelSmoothing: 2 }, "settings.labelSmoothing"],
    [{ classWeights: [1, 0] }, "settings.classWeights[1]"],
  ];
  for (const [settings, name] of wrong) expect(() => step(settings)).toThrow(name);
});
