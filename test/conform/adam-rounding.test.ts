import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { largestRatio, MISTAKES, withMistake } from "../../scripts/adamw-mistakes.ts";
import { addUpdateInto, createRoundingHistory } from "../../src/conform/adam-rounding.ts";
import { openCase } from "../../src/conform/case-files.ts";
import { MODEL_TOLERANCES, replayModel } from "../../src/conform/model.ts";
import { closeModelCase, openModelCase } from "../../src/conform/model-case.ts";
import { optimizerComparisons } from "../../src/conform/model-optimizer.ts";
import { nextNormal, openStream } from "../../src/core/random.ts";
import { createBackend } from "../../src/kernels/backend.ts";
import type { AdamWSettings } from "../../src/train/optimizer.ts";

const ENTRIES = 400;
const STEPS = 6;
const RATE = 0.005;
const DECAY = 0.1;

/** AdamW in double precision, as a function of the gradients of one entry. */
function expectedValue(settings: AdamWSettings, start: number, gradients: readonly number[]) {
  const { flavour, betas, epsilon } = settings;
  const [beta1, beta2] = betas;
  let [p, m, v] = [start, 0, 0];
  gradients.forEach((g, step) => {
    const [c1, c2] = [1 - beta1 ** (step + 1), 1 - beta2 ** (step + 1)];
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * g * g;
    if (flavour === "torch") p *= 1 - RATE * DECAY;
    p -=
      flavour === "torch"
        ? (RATE * (m / c1)) / (Math.sqrt(v / c2) + epsilon)
        : (RATE * Math.sqrt(c2) * (m / c1)) / (Math.sqrt(v) + epsilon);
    if (flavour === "transformers") p -= RATE * DECAY * p;
  });
  return p;
}

/** Gradients of very different magnitudes, and the same gradients with errors of up to `share` of the largest. */
function gradientsWithErrors(seed: number, share: number) {
  const stream = openStream(seed, 0, 0);
  const gradients = Array.from({ length: STEPS }, () =>
    Float32Array.from({ length: ENTRIES }, (_, i) =>
      i === 0 ? 0 : nextNormal(stream) * 10 ** -(i % 9),
    ),
  );
  const altered = gradients.map((step) => {
    const largest = Math.max(...step.map(Math.abs));
    const error = () => Math.max(-1, Math.min(1, nextNormal(stream))) * share * largest;
    return Float32Array.from(step, (g) => (g === 0 ? 0 : g + error()));
  });
  return { gradients, altered };
}

function boundOf(
  settings: AdamWSettings,
  gradients: readonly Float32Array[],
  gradientError: number,
): Float64Array {
  const history = createRoundingHistory(ENTRIES);
  const value = new Float32Array(ENTRIES).fill(1);
  for (const gradient of gradients)
    addUpdateInto(history, settings, {
      learningRate: RATE,
      weightDecay: DECAY,
      gradient,
      gradientError,
      value,
    });
  return history.allowed;
}

describe.each([
  ["torch", 0.999],
  ["torch", 0.9],
  ["transformers", 0.999],
  ["transformers", 0.9],
] as const)("the bound for %s with beta2 = %f", (flavour, beta2) => {
  const settings: AdamWSettings = {
    flavour,
    learningRate: RATE,
    betas: [0.9, beta2],
    epsilon: 1e-6,
    weightDecay: DECAY,
  };

  test("holds for gradients with errors, in double precision", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { gradients, altered } = gradientsWithErrors(seed, 1e-5);
      const allowed = boundOf(settings, gradients, 1e-5);
      for (let i = 0; i < ENTRIES; i++) {
        const entry = (steps: readonly Float32Array[]) => steps.map((step) => step[i] as number);
        const expected = expectedValue(settings, 1, entry(gradients));
        const got = expectedValue(settings, 1, entry(altered));
        expect(Math.abs(got - expected)).toBeLessThanOrEqual(allowed[i] as number);
      }
    }
  });

  test("is about 2 x learning rate x steps if the gradient is only noise", () => {
    const { gradients } = gradientsWithErrors(1, 0);
    const allowed = boundOf(settings, gradients, Number.POSITIVE_INFINITY);
    for (const bound of allowed) {
      expect(bound).toBeGreaterThan(1.98 * RATE * STEPS);
      expect(bound).toBeLessThan(2.2 * RATE * STEPS);
    }
  });

  test("allows only the rounding of updates if gradients are exact or always zero", () => {
    const { gradients } = gradientsWithErrors(1, 0);
    const ofRounding = STEPS * 4 * 2 ** -23 * (1 + RATE) * (1 + 1e-12);
    expect(Math.max(...boundOf(settings, gradients, 0))).toBeLessThanOrEqual(ofRounding);
    expect(boundOf(settings, gradients, 1e-5)[0]).toBeLessThanOrEqual(ofRounding);
  });

  test("counts updates from the first gradient that is not zero", () => {
    const { gradients } = gradientsWithErrors(2, 0);
    const zeros = new Float32Array(ENTRIES);
    expect(boundOf(settings, [zeros, zeros, ...gradients], 1e-5)).toEqual(
      boundOf(settings, gradients, 1e-5),
    );
  });
});

describe("altered optimizers are refused", () => {
  const directory = join(import.meta.dirname, "../golden/model/bert-3labels-1layer");
  const files = {
    name: "bert-3labels-1layer",
    json: readFileSync(join(directory, "case.json"), "utf8"),
    tensors: new Uint8Array(readFileSync(join(directory, "tensors.safetensors"))),
  };
  const backend = createBackend({ variant: "scalar" });

  test.each(Object.keys(MISTAKES))("%s", (name) => {
    const mistake = MISTAKES[name];
    if (mistake === undefined) throw new Error("expected a mistake");
    const altered = withMistake(backend, mistake);
    const modelCase = openModelCase(altered, openCase(files), MODEL_TOLERANCES);
    const ratio = largestRatio(optimizerComparisons(modelCase));
    closeModelCase(modelCase);
    // Right implementations stay at half of the bound.
    if (name === "none") expect(ratio).toBeLessThan(0.5);
    else expect(ratio).toBeGreaterThan(10);
    expect(replayModel(files, altered).passed).toBe(name === "none");
  });
});
