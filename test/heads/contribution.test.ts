/** What pruned heads mean for the models of the project. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createTape, releaseTape } from "../../src/autograd/tape.ts";
import { nextNormal, openStream } from "../../src/core/random.ts";
import { applyHeadMaskInto } from "../../src/heads/apply.ts";
import { linearLayers } from "../../src/heads/state.ts";
import { createBackend } from "../../src/kernels/backend.ts";
import { type ModelConfig, parseModelConfigOrThrow } from "../../src/model/config.ts";
import { forward } from "../../src/model/forward.ts";
import { createParameters, initialiseParameters } from "../../src/model/parameters.ts";
import { type Parameters, parameterNamed, releaseParameters } from "../../src/tensor/parameter.ts";
import { attentionLayers } from "../../src/train/attention-layers.ts";
import { randomBatch, SMALL_MODELS } from "../model/small-models.ts";

const backend = createBackend({ variant: "scalar" });
const BATCH = randomBatch([5, 3], 6, 7);

/** The small models with four heads of two features. */
const MODELS = SMALL_MODELS.filter(([, { prunedHeads }]) => prunedHeads === null).map(
  ([name, { source, modelType }]) => {
    const key = modelType === "distilbert" ? "n_heads" : "num_attention_heads";
    return [name, parseModelConfigOrThrow({ ...source, [key]: 4 })] as const;
  },
);

function logitsOf(config: ModelConfig, parameters: Parameters): number[] {
  const tape = createTape(backend, { training: false, recordGradients: false });
  try {
    return [...forward(tape, config, parameters, BATCH).logits.value.data];
  } finally {
    releaseTape(tape);
  }
}

/** Random parameters, larger than those of a new model, with biases. */
function randomParameters(config: ModelConfig, seed: number): Parameters {
  const parameters = initialiseParameters(backend, config, seed);
  const stream = openStream(seed, 1);
  for (const { value } of parameters.values())
    value.data.forEach((weight, i) => {
      value.data[i] = weight + 0.3 * nextNormal(stream);
    });
  return parameters;
}

function applyMasks(
  config: ModelConfig,
  parameters: Parameters,
  masks: readonly Uint8Array[],
): void {
  attentionLayers(config).forEach((attention, i) => {
    const weights = linearLayers(attention).map(
      (name) => parameterNamed(parameters, `${name}.weight`).value.data,
    );
    const mask = masks[i] ?? new Uint8Array(attention.heads).fill(1);
    applyHeadMaskInto({ heads: attention.heads, mask }, weights, config.hiddenSize);
  });
}

/** The rows or columns of kept heads. */
function cut(
  { shape, data }: { readonly shape: readonly number[]; readonly data: Float32Array },
  axis: number,
  mask: Uint8Array,
) {
  const extent = shape[axis] ?? 1;
  const width = extent / mask.length;
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const kept = (i: number): boolean =>
    mask[Math.floor((Math.floor(i / inner) % extent) / width)] === 1;
  const size = mask.filter((bit) => bit === 1).length * width;
  return {
    shape: shape.map((one, at) => (at === axis ? size : one)),
    data: data.filter((_, i) => kept(i)),
  };
}

/** The model without the pruned heads. */
function withoutHeads(config: ModelConfig, parameters: Parameters, masks: readonly Uint8Array[]) {
  const values = new Map(
    [...parameters].map(([name, { value }]) => [
      name,
      { shape: value.shape, data: value.data.slice() },
    ]),
  );
  const pruned: Record<number, number[]> = {};
  attentionLayers(config).forEach(({ projections, output }, i) => {
    const mask = masks[i] ?? new Uint8Array();
    pruned[i] = [...mask.keys()].filter((head) => mask[head] === 0);
    const replace = (name: string, axis: number): void => {
      const value = values.get(name);
      if (value !== undefined) values.set(name, cut(value, axis, mask));
    };
    for (const name of projections) {
      replace(`${name}.weight`, 0);
      replace(`${name}.bias`, 0);
    }
    replace(`${output}.weight`, 1);
  });
  const narrow = parseModelConfigOrThrow({ ...config.source, pruned_heads: pruned });
  return { config: narrow, parameters: createParameters(backend, narrow, values) };
}

const masks = fc
  .array(fc.array(fc.constantFrom(0, 1), { minLength: 4, maxLength: 4 }), {
    minLength: 2,
    maxLength: 2,
  })
  .map((layers) => layers.map((bits) => Uint8Array.from(bits.includes(1) ? bits : [1, 0, 0, 0])));

describe.each(MODELS)("a pruned head of %s", (_, config) => {
  test("contributes nothing, whatever its biases are", () => {
    fc.assert(
      fc.property(masks, fc.nat(1000), (own, seed) => {
        const parameters = randomParameters(config, seed);
        applyMasks(config, parameters, own);
        const before = logitsOf(config, parameters);
        attentionLayers(config).forEach(({ projections }, layer) => {
          for (const name of projections) {
            const { data } = parameterNamed(parameters, `${name}.bias`).value;
            data.forEach((bias, i) => {
              if (own[layer]?.[Math.floor((4 * i) / data.length)] === 0) data[i] = bias + 1;
            });
          }
        });
        const after = logitsOf(config, parameters);
        releaseParameters(parameters);
        expect(after).toEqual(before);
      }),
      { numRuns: 10 },
    );
  });

  test("can be removed", () => {
    fc.assert(
      fc.property(masks, fc.nat(1000), (own, seed) => {
        const parameters = randomParameters(config, seed);
        const dense = logitsOf(config, parameters);
        applyMasks(config, parameters, own);
        const masked = logitsOf(config, parameters);
        const narrow = withoutHeads(config, parameters, own);
        const shrunk = logitsOf(narrow.config, narrow.parameters);
        releaseParameters(parameters);
        releaseParameters(narrow.parameters);
        masked.forEach((logit, i) => {
          expect(Math.abs((shrunk[i] ?? NaN) - logit)).toBeLessThan(2e-6 * (1 + Math.abs(logit)));
        });
        if (own.some((mask) => mask.includes(0))) expect(masked).not.toEqual(dense);
      }),
      { numRuns: 10 },
    );
  });
});
