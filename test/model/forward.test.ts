import { describe, expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { crossEntropy } from "../../src/autograd/label-losses.ts";
import { createTape, releaseTape, scalarOf, type TapeOptions } from "../../src/autograd/tape.ts";
import type { Backend } from "../../src/kernels/backend.ts";
import { createBackend } from "../../src/kernels/backend.ts";
import type { TokenBatch } from "../../src/model/batch.ts";
import type { ModelConfig } from "../../src/model/config.ts";
import { forward } from "../../src/model/forward.ts";
import { moduleList } from "../../src/model/modules.ts";
import { initialiseParameters } from "../../src/model/parameters.ts";
import { type Parameters, releaseParameters, zeroGradients } from "../../src/tensor/parameter.ts";
import { createDoubleBackend } from "../autograd/double-backend.ts";
import { randomBatch, SMALL_BERT, SMALL_MODELS } from "./small-models.ts";

const TRAINING: TapeOptions = { training: true, seed: 3, step: 1 };
const EVALUATION: TapeOptions = { training: false };

/** Rounding of a few layers of sums of at most 24 numbers of order 1, with margin for cancellation. */
const ROUNDING = 2e-6;

function logitsOf(
  backend: Backend,
  config: ModelConfig,
  parameters: Parameters,
  batch: TokenBatch,
  options: TapeOptions,
): Float32Array {
  const tape = createTape(backend, options);
  const logits = forward(tape, config, parameters, batch).logits.value.data.slice();
  releaseTape(tape);
  return logits;
}

/** One pass with gradients; returns the loss. */
function train(
  backend: Backend,
  config: ModelConfig,
  parameters: Parameters,
  batch: TokenBatch & { readonly labels: Int32Array },
  options: TapeOptions = TRAINING,
): number {
  const tape = createTape(backend, options);
  const loss = crossEntropy(tape, forward(tape, config, parameters, batch).logits, batch.labels);
  const value = loss.value.data[0];
  backward(tape, loss);
  releaseTape(tape);
  return value;
}

/** Initial weights are small; larger ones make every path matter. */
function enlarge(parameters: Parameters): void {
  for (const { name, value } of parameters.values()) {
    const factor = name.includes("LayerNorm") || name.includes("layer_norm") ? 1 : 20;
    value.data.set(value.data.map((entry) => entry * factor));
  }
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
}

describe.each(SMALL_MODELS)("%s", (_, config) => {
  it("has the gradients of finite differences, with dropout", () => {
    const backend = createDoubleBackend();
    const parameters = initialiseParameters(backend, config, 1);
    enlarge(parameters);
    const batch = randomBatch([5, 3], 5, 1);
    train(backend, config, parameters, batch);
    const step = 1e-5;
    for (const { name, value, gradient } of parameters.values()) {
      const data = value.data;
      const scale = Math.max(1e-3, ...gradient.data.map(Math.abs));
      for (let i = 0; i < data.length; i += Math.ceil(data.length / 7)) {
        const original = data[i];
        const analytic = gradient.data[i];
        // The embeddings of padding are used, but never learn. Nor do sinusoidal positions.
        if (neverLearns(config, name, i)) {
          expect(analytic).toBe(0);
          continue;
        }
        data[i] = original + step;
        const above = lossOf(backend, config, parameters, batch);
        data[i] = original - step;
        const below = lossOf(backend, config, parameters, batch);
        data[i] = original;
        const numeric = (above - below) / (2 * step);
        expect(Math.abs(numeric - analytic) / scale, `${name}[${i}]`).toBeLessThan(1e-6);
      }
    }
  });

  it("ignores what stands in padded positions, to the bit", () => {
    const backend = createBackend({ variant: "scalar" });
    const parameters = initialiseParameters(backend, config, 2);
    enlarge(parameters);
    const batch = randomBatch([4, 7, 1], 9, 2);
    const other = {
      ...batch,
      inputIds: batch.inputIds.map((id, token) => (batch.attentionMask[token] === 0 ? 17 : id)),
    };
    expect(logitsOf(backend, config, parameters, other, EVALUATION)).toEqual(
      logitsOf(backend, config, parameters, batch, EVALUATION),
    );
  });

  it.each([
    ["evaluating", EVALUATION],
    ["training", TRAINING],
  ])("gives the same logits however long the padding, %s", (_mode, options) => {
    const backend = createBackend({ variant: "auto" });
    const parameters = initialiseParameters(backend, config, 2);
    enlarge(parameters);
    const short = logitsOf(backend, config, parameters, randomBatch([4, 7], 7, 3), options);
    const long = logitsOf(backend, config, parameters, randomBatch([4, 7], 20, 3), options);
    expect(largestDifference(short, long)).toBeLessThan(ROUNDING);
  });

  it("treats every example alike, whatever its place", () => {
    const backend = createBackend({ variant: "scalar" });
    const parameters = initialiseParameters(backend, config, 2);
    const batch = randomBatch([4, 7, 6], 7, 4);
    const reversed = reverseExamples(batch);
    const logits = logitsOf(backend, config, parameters, batch, EVALUATION);
    const turned = logitsOf(backend, config, parameters, reversed, EVALUATION);
    for (let b = 0; b < 3; b++) {
      expect(turned.slice((2 - b) * 3, (3 - b) * 3)).toEqual(logits.slice(b * 3, (b + 1) * 3));
    }
  });

  it("takes any mask, even one that hides everything", () => {
    const backend = createBackend({ variant: "auto" });
    const parameters = initialiseParameters(backend, config, 2);
    const batch = randomBatch([4, 4], 4, 4);
    const mask = Uint8Array.of(0, 1, 0, 1, 0, 0, 0, 0);
    const logits = logitsOf(
      backend,
      config,
      parameters,
      { ...batch, attentionMask: mask },
      EVALUATION,
    );
    expect([...logits].every(Number.isFinite)).toBe(true);
  });

  it("splits into shards that add up to the whole batch's gradients, dropout included", () => {
    const backend = createBackend({ variant: "scalar" });
    const parameters = initialiseParameters(backend, config, 5);
    enlarge(parameters);
    const batch = randomBatch([4, 7, 6, 2], 7, 5);
    train(backend, config, parameters, batch);
    const whole = [...parameters.values()].map(({ gradient }) => gradient.data.slice());
    zeroGradients(backend, parameters);
    for (const firstExample of [0, 2]) {
      const shard = examplesOf(batch, firstExample, firstExample + 2);
      train(backend, config, parameters, shard, { ...TRAINING, firstExample });
    }
    [...parameters.values()].forEach(({ name, gradient }, index) => {
      const mean = gradient.data.map((entry) => entry / 2);
      const scale = Math.max(1e-3, ...whole[index].map(Math.abs));
      expect(largestDifference(mean, whole[index]) / scale, name).toBeLessThan(1e-5);
    });
  });

  it("allocates nothing new in a steady state and leaves nothing behind", () => {
    for (const variant of ["scalar", "auto"] as const) {
      const backend = createBackend({ variant });
      const empty = backend.memory.usage().used;
      const parameters = initialiseParameters(backend, config, 1);
      const idle = backend.memory.usage().used;
      train(backend, config, parameters, randomBatch([9, 5], 9, 1));
      const { reserved } = backend.memory.usage();
      for (let pass = 0; pass < 5; pass++) {
        train(backend, config, parameters, randomBatch([9, 5], 9, pass));
        expect(backend.memory.usage()).toEqual({ used: idle, reserved });
      }
      releaseParameters(parameters);
      expect(backend.memory.usage().used).toBe(empty);
    }
  });

  it("computes the same on every kernel variant", () => {
    const scalar = createBackend({ variant: "scalar" });
    const fast = createBackend({ variant: "auto" });
    const batch = randomBatch([11, 6, 3], 11, 6);
    const [a, b] = [scalar, fast].map((backend) => {
      const parameters = initialiseParameters(backend, config, 7);
      enlarge(parameters);
      return { loss: train(backend, config, parameters, batch), parameters };
    });
    expect(Math.abs(a.loss - b.loss)).toBeLessThan(ROUNDING);
    for (const [name, { gradient }] of a.parameters) {
      const other = b.parameters.get(name)?.gradient.data ?? new Float32Array(0);
      const weights =
        a.parameters.get(name.replace(/bias$/, "weight"))?.gradient.data ?? gradient.data;
      const scale = Math.max(
        Number.MIN_VALUE,
        ...gradient.data.map(Math.abs),
        ...weights.map(Math.abs),
      );
      expect(largestDifference(gradient.data, other) / scale, name).toBeLessThan(1e-5);
    }
  });
});

function neverLearns(config: ModelConfig, name: string, index: number): boolean {
  const module = moduleList(config).find((module) => `${module.name}.weight` === name);
  const row = Math.floor(index / config.embeddingSize);
  return module?.isSinusoidal === true || module?.paddingRow === row;
}

describe("a forward pass", () => {
  const backend = createBackend({ variant: "scalar" });
  const parameters = initialiseParameters(backend, SMALL_BERT, 1);
  const batch = randomBatch([3, 2], 3, 1);
  const run = (change: Partial<TokenBatch>): (() => void) => {
    return () => {
      const tape = createTape(backend, EVALUATION);
      try {
        forward(tape, SMALL_BERT, parameters, { ...batch, ...change });
      } finally {
        releaseTape(tape);
      }
    };
  };

  it("hands out hidden states and attentions on request", () => {
    const tape = createTape(backend, EVALUATION);
    const plain = forward(tape, SMALL_BERT, parameters, batch);
    expect(plain.hiddenStates.map(({ shape }) => shape)).toEqual([[2, 3, 8]]);
    expect(plain.attentions).toEqual([]);
    const options = { outputHiddenStates: true, outputAttentions: true };
    const full = forward(tape, SMALL_BERT, parameters, batch, options);
    expect(full.hiddenStates.length).toBe(3);
    expect(full.hiddenStates.at(-1)?.value.data).toEqual(plain.hiddenStates[0].value.data);
    expect(full.attentions.map(({ shape }) => shape)).toEqual([
      [2, 2, 3, 3],
      [2, 2, 3, 3],
    ]);
    releaseTape(tape);
  });

  it("needs less memory where no gradient is recorded", () => {
    const peak = (options: TapeOptions): number => {
      const tape = createTape(backend, options);
      forward(tape, SMALL_BERT, parameters, batch);
      const { used } = backend.memory.usage();
      releaseTape(tape);
      return used - backend.memory.usage().used;
    };
    expect(peak(EVALUATION)).toBeLessThan(peak({ ...EVALUATION, recordGradients: true }) / 5);
  });

  it("refuses batches that do not fit the model and computes nothing", () => {
    const { used } = backend.memory.usage();
    const long = new Int32Array(2 * 25);
    const longMask = new Uint8Array(2 * 25);
    for (const [change, message] of [
      [
        { inputIds: Int32Array.of(1, 2, 30, 0, 0, 0) },
        "inputIds[2]: expected from 0 to 29, got 30",
      ],
      [
        { inputIds: Int32Array.of(1, -1, 0, 0, 0, 0) },
        "inputIds[1]: expected from 0 to 29, got -1",
      ],
      [{ inputIds: new Int32Array(5) }, "inputIds: expected 6 entries, got 5"],
      [{ tokenTypeIds: Int32Array.of(0, 0, 0, 0, 0, 2) }, "tokenTypeIds[5]: expected from 0 to 1"],
      [{ attentionMask: new Uint8Array(4) }, "attentionMask: expected 6 entries, got 4"],
      [
        { attentionMask: Uint8Array.of(1, 1, 2, 0, 0, 0) },
        "attentionMask[2]: expected from 0 to 1",
      ],
      [
        { positions: 25, inputIds: long, tokenTypeIds: long, attentionMask: longMask },
        "positions: expected from 1 to the model's 24, got 25",
      ],
      [{ batch: 0 }, "batch: expected at least one example, got 0"],
    ] as const) {
      expect(run(change)).toThrow(RangeError);
      expect(run(change)).toThrow(message);
    }
    const wrongKind = { inputIds: [1, 2, 3, 4, 5, 6] as unknown as Int32Array };
    expect(run(wrongKind)).toThrow(TypeError);
    expect(backend.memory.usage().used).toBe(used);
  });

  it("is the same for the same seed and step, and another for others", () => {
    const loss = (options: TapeOptions): number => {
      const tape = createTape(backend, options);
      const { logits } = forward(tape, SMALL_BERT, parameters, batch);
      const value = scalarOf(crossEntropy(tape, logits, batch.labels));
      releaseTape(tape);
      return value;
    };
    expect(loss(TRAINING)).toBe(loss(TRAINING));
    expect(loss({ ...TRAINING, step: 2 })).not.toBe(loss(TRAINING));
    expect(loss({ ...TRAINING, seed: 4 })).not.toBe(loss(TRAINING));
  });
});

function lossOf(
  backend: Backend,
  config: ModelConfig,
  parameters: Parameters,
  batch: TokenBatch & { readonly labels: Int32Array },
): number {
  const tape = createTape(backend, TRAINING);
  const loss = crossEntropy(tape, forward(tape, config, parameters, batch).logits, batch.labels);
  const value = loss.value.data[0];
  releaseTape(tape);
  return value;
}

function examplesOf<T extends TokenBatch & { readonly labels: Int32Array }>(
  batch: T,
  first: number,
  end: number,
): T {
  const { positions } = batch;
  const cut = <A extends Int32Array | Uint8Array>(tokens: A): A =>
    tokens.slice(first * positions, end * positions) as A;
  return {
    ...batch,
    batch: end - first,
    inputIds: cut(batch.inputIds),
    tokenTypeIds: cut(batch.tokenTypeIds),
    attentionMask: cut(batch.attentionMask),
    labels: batch.labels.slice(first, end),
  };
}

function reverseExamples(batch: TokenBatch): TokenBatch {
  const { positions } = batch;
  const turn = <A extends Int32Array | Uint8Array>(tokens: A): A =>
    tokens.map((_, token) => {
      const example = batch.batch - 1 - Math.floor(token / positions);
      return tokens[example * positions + (token % positions)];
    }) as A;
  return {
    ...batch,
    inputIds: turn(batch.inputIds),
    tokenTypeIds: turn(batch.tokenTypeIds),
    attentionMask: turn(batch.attentionMask),
  };
}
