import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { crossEntropy } from "../../src/autograd/label-losses.ts";
import { createTape, releaseTape, type TapeOptions } from "../../src/autograd/tape.ts";
import type { Backend } from "../../src/kernels/backend.ts";
import { type ModelConfig, parseModelConfigOrThrow } from "../../src/model/config.ts";
import { forward, type ModelOutput } from "../../src/model/forward.ts";
import { initialiseParameters } from "../../src/model/parameters.ts";
import type { Padding } from "../../src/model/token-rows.ts";
import { type Parameters, releaseParameters } from "../../src/tensor/parameter.ts";
import { createDoubleBackend } from "../autograd/double-backend.ts";
import { VARIANTS } from "../kernels/subjects.ts";
import { randomBatch, SMALL_BERT, SMALL_DISTILBERT } from "./small-models.ts";

const TRAINING: TapeOptions = { training: true, seed: 3, step: 1 };
const EVALUATION: TapeOptions = { training: false, recordGradients: true };
const MODES = [
  ["with dropout", TRAINING],
  ["without", EVALUATION],
] as const;

/** The small models with room for longer sequences, so that rows of many vectors occur. */
const MODELS = [SMALL_BERT, SMALL_DISTILBERT].map((config) => longer(config, 70));

function longer({ source }: ModelConfig, positions: number, change = {}): ModelConfig {
  return parseModelConfigOrThrow({ ...source, max_position_embeddings: positions, ...change });
}

/** Lengths of a batch's sequences, and how many positions beyond the longest it is padded to. */
const shapes = fc.record({
  lengths: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
  extra: fc.nat(30),
  seed: fc.nat(1000),
});

interface Results {
  readonly logits: Float32Array;
  readonly pooled: Float32Array;
  /** Rows of real tokens, of every hidden state. */
  readonly hiddenStates: readonly Float32Array[];
  /** Shares that real queries give to real keys, of every layer. */
  readonly attentions: readonly Float32Array[];
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

type Batch = ReturnType<typeof randomBatch>;

/** A pass and its gradients of the label loss. */
function run(
  backend: Backend,
  config: ModelConfig,
  batch: Batch,
  padding: Padding,
  options: TapeOptions,
  states: "all" | "none" = "all",
): Results {
  const parameters = initialiseParameters(backend, config, 2);
  enlarge(parameters);
  const tape = createTape(backend, options);
  const asked = { outputHiddenStates: true, outputAttentions: true };
  const wanted = { ...(states === "all" ? asked : { outputLastHiddenState: false }), padding };
  const output = forward(tape, config, parameters, batch, wanted);
  expect(output.padding).toBe(padding);
  const results = {
    logits: output.logits.value.data.slice(),
    pooled: output.pooled.value.data.slice(),
    hiddenStates: output.hiddenStates.map(({ value }) => tokensOf(output, batch, value.data)),
    attentions: output.attentions.map(({ value }) => sharesOf(output, batch, config, value.data)),
  };
  backward(tape, crossEntropy(tape, output.logits, batch.labels));
  releaseTape(tape);
  const gradients = new Map(
    [...parameters.values()].map(({ name, gradient }) => [name, gradient.data.slice()]),
  );
  releaseParameters(parameters);
  return { ...results, gradients };
}

/** Initial weights are small; larger ones make every path matter. */
function enlarge(parameters: Parameters): void {
  for (const { name, value } of parameters.values()) {
    const factor = name.includes("LayerNorm") || name.includes("layer_norm") ? 1 : 20;
    value.data.set(value.data.map((entry) => entry * factor));
  }
}

function lengthsOf({ batch, positions, attentionMask }: Batch): readonly number[] {
  return Array.from({ length: batch }, (_, b) =>
    attentionMask.subarray(b * positions, (b + 1) * positions).reduce((sum, bit) => sum + bit, 0),
  );
}

/** The rows of real tokens, found as `sequences` says. */
function tokensOf({ sequences }: ModelOutput, batch: Batch, rows: Float32Array): Float32Array {
  const width = rows.length / sequences.offsets[batch.batch];
  const parts = lengthsOf(batch).map((length, b) => {
    const first = sequences.offsets[b];
    return [...rows.subarray(first * width, (first + length) * width)];
  });
  return Float32Array.from(parts.flat());
}

/** The shares between real tokens, found as `sequences` says. */
function sharesOf(
  { sequences: { offsets, squares } }: ModelOutput,
  batch: Batch,
  { heads }: ModelConfig,
  shares: Float32Array,
): Float32Array {
  const kept: number[] = [];
  lengthsOf(batch).forEach((length, b) => {
    const positions = offsets[b + 1] - offsets[b];
    for (let head = 0; head < heads; head++) {
      const square = heads * squares[b] + head * positions ** 2;
      for (let query = 0; query < length; query++) {
        const row = square + query * positions;
        kept.push(...shares.subarray(row, row + length));
      }
    }
  });
  return Float32Array.from(kept);
}

/**
 * A parameter's gradient is a sum over the rows of the batch. What is summed has the same bytes with and
 * without padding (the rows between are zero), so each of two sums of n terms has n roundings of partial
 * sums, which are of the order of the largest gradient. A key bias has no gradient but rounding: its weight's
 * counts.
 */
function expectEqualGradients(packed: Results, padded: Results, rows: number, unit: number): void {
  for (const [name, gradient] of padded.gradients) {
    const weight = padded.gradients.get(name.replace(/bias$/, "weight")) ?? gradient;
    const largest = Math.max(...gradient.map(Math.abs), ...weight.map(Math.abs));
    const other = packed.gradients.get(name) ?? new Float32Array(0);
    const difference = gradient.reduce((most, g, i) => Math.max(most, Math.abs(g - other[i])), 0);
    expect(difference, name).toBeLessThanOrEqual(2 * rows * largest * unit);
  }
}

/**
 * Where first tokens alone are computed, what is summed differs too: a hidden state's gradient is the sum of those of the
 * residual, query, key and values, of which every layer adds four, in another order, and they may cancel.
 */
const REORDERED = 4 * 8;

describe.each(VARIANTS)("without padding (%s)", (_variant, backend) => {
  describe.each(MODELS.map((config) => [config.modelType, config] as const))("%s", (_, config) => {
    it.each(MODES)("computes the same bytes and gradients, %s", (_mode, options) => {
      fc.assert(
        fc.property(shapes, ({ lengths, extra, seed }) => {
          const positions = Math.max(...lengths) + extra;
          const batch = randomBatch(lengths, positions, seed);
          const padded = run(backend, config, batch, "included", options);
          const packed = run(backend, config, batch, "excluded", options);
          expect(packed.logits).toEqual(padded.logits);
          expect(packed.pooled).toEqual(padded.pooled);
          expect(packed.hiddenStates).toEqual(padded.hiddenStates);
          expect(packed.attentions).toEqual(padded.attentions);
          expectEqualGradients(packed, padded, lengths.length * positions, 2 ** -24);
        }),
        { numRuns: 12 },
      );
    });

    it.each(MODES)("computes the same logits from first tokens alone, %s", (_mode, options) => {
      fc.assert(
        fc.property(shapes, ({ lengths, extra, seed }) => {
          const positions = Math.max(...lengths) + extra;
          const batch = randomBatch(lengths, positions, seed);
          const whole = run(backend, config, batch, "included", options);
          for (const padding of ["included", "excluded"] as const) {
            const part = run(backend, config, batch, padding, options, "none");
            expect(part.logits).toEqual(whole.logits);
            expect(part.pooled).toEqual(whole.pooled);
            expect(part.hiddenStates).toEqual([]);
            const terms = lengths.length * positions + REORDERED;
            expectEqualGradients(part, whole, terms, 2 ** -24);
          }
        }),
        { numRuns: 6, examples: [[{ lengths: [1], extra: 0, seed: 25 }]] },
      );
    });

    it.each([
      ["one token", [1], 1],
      ["one token, padded", [1], 9],
      ["a batch of one", [7], 12],
      ["nothing to leave out", [5, 5], 5],
      ["rows that end in a part of a vector", [15, 23, 1], 24],
    ])("computes the same bytes: %s", (_what, lengths, positions) => {
      const batch = randomBatch(lengths, positions, 5);
      const padded = run(backend, config, batch, "included", TRAINING);
      const packed = run(backend, config, batch, "excluded", TRAINING);
      expect(packed.logits).toEqual(padded.logits);
      expect(packed.hiddenStates).toEqual(padded.hiddenStates);
      expectEqualGradients(packed, padded, lengths.length * positions, 2 ** -24);
    });
  });

  it("computes the same bytes where a sum over keys takes more than one block", () => {
    const config = longer(SMALL_BERT, 700, { num_hidden_layers: 1 });
    const batch = randomBatch([530, 3], 600, 1);
    const padded = run(backend, config, batch, "included", EVALUATION);
    const packed = run(backend, config, batch, "excluded", EVALUATION);
    expect(packed.logits).toEqual(padded.logits);
    expect(packed.hiddenStates).toEqual(padded.hiddenStates);
    expectEqualGradients(packed, padded, 1200, 2 ** -24);
  });
});

describe.each(MODELS.map((config) => [config.modelType, config] as const))("%s", (_, config) => {
  it("has the same gradients in double precision", () => {
    const batch = randomBatch([5, 1, 8], 11, 3);
    for (const [, options] of MODES) {
      const padded = run(createDoubleBackend(), config, batch, "included", options);
      const packed = run(createDoubleBackend(), config, batch, "excluded", options);
      expectEqualGradients(packed, padded, 33, 2 ** -53);
      const part = run(createDoubleBackend(), config, batch, "excluded", options, "none");
      expectEqualGradients(part, padded, 33 + REORDERED, 2 ** -53);
    }
  });

  it.each([
    ["a hidden key before a visible one", Uint8Array.of(1, 0, 1, 0, 1, 1, 0, 0)],
    ["a hidden first token", Uint8Array.of(0, 1, 1, 1, 1, 1, 0, 0)],
    ["an example without a token", Uint8Array.of(0, 0, 0, 0, 1, 1, 0, 0)],
  ])("computes padding all the same for %s, and says so", (_what, attentionMask) => {
    const [[, backend]] = VARIANTS;
    const batch = { ...randomBatch([4, 4], 4, 1), attentionMask };
    const parameters = initialiseParameters(backend, config, 2);
    const logits = (["included", "excluded"] as const).map((padding) => {
      const tape = createTape(backend, { training: false });
      const output = forward(tape, config, parameters, batch, { padding });
      expect(output.padding).toBe("included");
      expect(output.hiddenStates[0].shape).toEqual([2, 4, 8]);
      expect(output.sequences.offsets).toEqual([0, 4, 8]);
      const values = output.logits.value.data.slice();
      releaseTape(tape);
      return values;
    });
    expect(logits[1]).toEqual(logits[0]);
    releaseParameters(parameters);
  });

  it("leaves nothing behind and, in a steady state, grows nothing", () => {
    for (const [, backend] of VARIANTS) {
      const batch = randomBatch([9, 5, 1], 20, 1);
      const idle = backend.memory.usage().used;
      run(backend, config, batch, "excluded", TRAINING);
      const { reserved } = backend.memory.usage();
      run(backend, config, batch, "excluded", TRAINING);
      expect(backend.memory.usage()).toEqual({ used: idle, reserved });
    }
  });
});

it("refuses a padding that is none", () => {
  const [[, backend]] = VARIANTS;
  const parameters = initialiseParameters(backend, SMALL_BERT, 1);
  const tape = createTape(backend, { training: false });
  const padding = "none" as Padding;
  expect(() => forward(tape, SMALL_BERT, parameters, randomBatch([2], 2, 1), { padding })).toThrow(
    'padding: expected one of included, excluded, got "none"',
  );
  releaseTape(tape);
  releaseParameters(parameters);
});
