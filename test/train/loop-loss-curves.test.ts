/** Training on every kind of kernels: the loss curves that scalar loops give. */
import { describe, expect, it } from "vitest";
import { nextUnit, openStream } from "../../src/core/random.ts";
import { type Backend, createBackend } from "../../src/kernels/backend.ts";
import type { KernelVariant } from "../../src/kernels/table.ts";
import { parseModelConfigOrThrow } from "../../src/model/config.ts";
import { initialiseParameters } from "../../src/model/parameters.ts";
import { createNodeBackend } from "../../src/node/threaded-backend.ts";
import { padExamples } from "../../src/train/examples.ts";
import { createSession } from "../../src/train/session.ts";
import { trainingSettings } from "../../src/train/settings.ts";
import { trainStepInto } from "../../src/train/step.ts";
import { sequenceClassifier } from "../../src/train/trainable-model.ts";

const STEPS = 40;
const VOCABULARY = 60;

const CONFIG = parseModelConfigOrThrow({
  model_type: "bert",
  vocab_size: VOCABULARY,
  hidden_size: 40,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  intermediate_size: 72,
  max_position_embeddings: 24,
});

/** A batch of its own for every step: lengths differ, and the label depends on the tokens. */
function batchAt(step: number) {
  const stream = openStream(7, step);
  return padExamples(
    Array.from({ length: 6 }, () => {
      const length = 3 + Math.floor(20 * nextUnit(stream));
      const inputIds = Array.from({ length }, () => Math.floor(nextUnit(stream) * VOCABULARY));
      const label = inputIds.filter((id) => id < VOCABULARY / 2).length * 2 > length ? 1 : 0;
      return { inputIds, tokenTypeIds: inputIds.map(() => 0), label };
    }),
  ) as ReturnType<typeof padExamples> & { readonly labels: Int32Array };
}

/** The loss of every step of a run that prunes to 4x1 blocks half-way, with sparse products from then on. */
function lossCurve(backend: Backend): readonly number[] {
  const model = sequenceClassifier(CONFIG, initialiseParameters(backend, CONFIG, 3));
  const settings = trainingSettings({
    seed: 3,
    optimizer: { flavour: "torch", learningRate: 1e-3 },
    pruning: {
      pattern: "4x1",
      pruning_type: "snip_momentum",
      target_sparsity: 0.8,
      start_step: 10,
      end_step: 20,
      pruning_frequency: 5,
      excluded_op_names: ["pooler", "classifier"],
    },
    sparseProducts: "always",
  });
  const session = createSession(backend, model, settings);
  return Array.from({ length: STEPS }, (_, step) => trainStepInto(session, batchAt(step)).loss);
}

const scalar = lossCurve(createBackend({ variant: "scalar" }));

/** Kernels differ by rounding alone: a few units of float32, 6e-8 of the loss each, also after 40 steps. */
const TOLERANCE = 1e-6;

function kernels(): readonly KernelVariant[] {
  const names: readonly KernelVariant[] = ["simd", "fma", "revectorized"];
  return names.filter((variant) => {
    try {
      createBackend({ variant });
      return true;
    } catch {
      return false;
    }
  });
}

describe.each(kernels())("training on %s", (variant) => {
  const curve = lossCurve(createBackend({ variant }));

  it("follows the curve of scalar loops", () => {
    const worst = curve.map((loss, step) => Math.abs(loss - scalar[step]) / scalar[step]);
    expect(Math.max(...worst)).toBeLessThan(TOLERANCE);
    expect(Math.max(...worst)).toBeGreaterThan(0);
  });

  it("gives the same losses on two threads, to the last bit", async () => {
    const backend = await createNodeBackend({ variant, threads: 2 });
    expect(lossCurve(backend)).toEqual(curve);
    backend.stop();
  });
});

it("the loss falls, or the curves would say little", () => {
  const mean = (from: number) => scalar.slice(from, from + 10).reduce((a, b) => a + b, 0) / 10;
  expect(mean(STEPS - 10)).toBeLessThan(mean(0));
});
