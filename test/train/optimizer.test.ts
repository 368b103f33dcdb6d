import fc from "fast-check";
import { expect, test } from "vitest";
import { createBackend } from "../../src/kernels/backend.ts";
import { createParameter, type Parameter } from "../../src/tensor/parameter.ts";
import {
  type AdamWSettings,
  createOptimizer,
  optimizerStepInto,
  parameterRules,
  releaseOptimizer,
  treatmentOf,
} from "../../src/train/optimizer.ts";

const backend = createBackend({ variant: "scalar" });

function parametersOf(...list: readonly Parameter[]): ReadonlyMap<string, Parameter> {
  return new Map(list.map((parameter) => [parameter.name, parameter]));
}

const finite = fc.double({ min: -2, max: 2, noNaN: true }).map(Math.fround);

const settingsArbitrary: fc.Arbitrary<AdamWSettings> = fc.record({
  flavour: fc.constantFrom("torch" as const, "transformers" as const),
  learningRate: fc.constantFrom(0, 1e-3, 0.1),
  betas: fc.constantFrom([0.9, 0.999] as const, [0.9, 0.9] as const, [0, 0] as const),
  epsilon: fc.constantFrom(1e-8, 1e-6),
  weightDecay: fc.constantFrom(0, 0.01, 0.5),
});

/** AdamW of one number in double precision, written from the two programs' formulas. */
function oracle(start: number, gradients: readonly number[], settings: AdamWSettings): number {
  const { flavour, learningRate, betas, epsilon, weightDecay } = settings;
  let p = start;
  let m = 0;
  let v = 0;
  let t = 0;
  for (const g of gradients) {
    if (t === 0 && g === 0) continue;
    t++;
    m = betas[0] * m + (1 - betas[0]) * g;
    v = betas[1] * v + (1 - betas[1]) * g * g;
    const c1 = 1 - betas[0] ** t;
    const c2 = 1 - betas[1] ** t;
    if (flavour === "torch") {
      p -= learningRate * weightDecay * p;
      p -= ((learningRate / c1) * m) / (Math.sqrt(v) / Math.sqrt(c2) + epsilon);
    } else {
      p -= (((learningRate * Math.sqrt(c2)) / c1) * m) / (Math.sqrt(v) + epsilon);
      p -= learningRate * weightDecay * p;
    }
  }
  return p;
}

test("both flavours follow their formulas over several steps", () => {
  // Each step rounds p to float32 once and m and v once each: errors of a few units in the last place.
  fc.assert(
    fc.property(
      settingsArbitrary,
      finite,
      fc.array(finite, { maxLength: 6 }),
      (settings, p, gs) => {
        const weight = createParameter(backend, "w.weight", [1], Float32Array.of(p));
        const optimizer = createOptimizer(backend, parametersOf(weight), settings);
        for (const g of gs) {
          weight.gradient.data[0] = g;
          optimizerStepInto(backend, optimizer, settings.learningRate);
        }
        const expected = oracle(p, gs, settings);
        const steps = settings.learningRate * gs.length + Math.abs(expected) + Math.abs(p);
        expect(Math.abs((weight.value.data[0] ?? NaN) - expected)).toBeLessThanOrEqual(
          2e-6 * steps + 1e-12,
        );
        releaseOptimizer(optimizer);
      },
    ),
  );
});

const SETTINGS: AdamWSettings = {
  flavour: "transformers",
  learningRate: 0.1,
  betas: [0.9, 0.999],
  epsilon: 1e-6,
  weightDecay: 0.5,
};

test("the example script's groups", () => {
  const rules = parameterRules("inc");
  const treatment = (name: string) => treatmentOf(rules, name);
  expect(treatment("bert.encoder.layer.0.output.dense.weight")).toBe("decay");
  expect(treatment("bert.embeddings.word_embeddings.weight")).toBe("decay");
  expect(treatment("bert.encoder.layer.0.output.dense.bias")).toBe("no-decay");
  expect(treatment("bert.encoder.layer.0.output.LayerNorm.weight")).toBe("no-decay");
  expect(treatment("distilbert.transformer.layer.0.sa_layer_norm.weight")).toBe("decay");
  expect(treatment("classifier.weight")).toBe("fixed");
  expect(treatment("pre_classifier.weight")).toBe("fixed");
  expect(treatment("classifier.bias")).toBe("no-decay");
  expect(treatment("bert.pooler.dense.weight")).toBe("decay");
});

test("the strict groups train the head, without decay", () => {
  const rules = parameterRules("strict");
  const treatment = (name: string) => treatmentOf(rules, name);
  expect(treatment("classifier.weight")).toBe("no-decay");
  expect(treatment("pre_classifier.weight")).toBe("no-decay");
  expect(treatment("distilbert.transformer.layer.0.sa_layer_norm.weight")).toBe("no-decay");
  expect(treatment("bert.embeddings.word_embeddings.weight")).toBe("decay");
});

test("fixed parameters are never updated, no-decay ones do not shrink", () => {
  const [fixed, still, decayed] = ["classifier.weight", "a.bias", "a.weight"].map((name) =>
    createParameter(backend, name, [1], Float32Array.of(1)),
  );
  if (!fixed || !still || !decayed) throw new Error("three parameters");
  const all = parametersOf(fixed, still, decayed);
  const optimizer = createOptimizer(backend, all, SETTINGS, parameterRules("inc"));
  for (const { gradient } of all.values()) gradient.data[0] = 1;
  optimizerStepInto(backend, optimizer, 0.1);
  expect(fixed.value.data[0]).toBe(1);
  expect(still.value.data[0]).toBeCloseTo(0.9, 4);
  expect(decayed.value.data[0]).toBeCloseTo(0.9 * 0.95, 4);
});

test("a parameter is left alone until its first gradient that is not all zero", () => {
  const weight = createParameter(backend, "a.weight", [2], Float32Array.of(1, 1));
  const optimizer = createOptimizer(backend, parametersOf(weight), SETTINGS);
  optimizerStepInto(backend, optimizer, 0.1);
  expect([...weight.value.data]).toEqual([1, 1]);
  expect(optimizer.slots[0]?.updates).toBe(0);
  weight.gradient.data[1] = 1;
  optimizerStepInto(backend, optimizer, 0.1);
  expect(optimizer.slots[0]?.updates).toBe(1);
  expect(weight.value.data[0]).toBeCloseTo(0.95, 6);
});

test("settings that are none are refused", () => {
  const make = (change: Partial<AdamWSettings>) => () =>
    createOptimizer(backend, new Map(), { ...SETTINGS, ...change });
  expect(make({ learningRate: -1 })).toThrow(/optimizer.learningRate: expected/);
  expect(make({ betas: [0.9, 1] })).toThrow(/optimizer.betas\[1\]: expected/);
  expect(make({ weightDecay: Number.NaN })).toThrow(/optimizer.weightDecay: expected/);
  expect(make({ flavour: "adam" as "torch" })).toThrow(/optimizer.flavour: expected one of torch/);
});
