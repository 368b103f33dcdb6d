import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { byteSource } from "../../src/checkpoint/byte-source.ts";
import { cutTensor, type TensorCut } from "../../src/checkpoint/cut-tensors.ts";
import { openCheckpointFile } from "../../src/checkpoint/open.ts";
import { getOrThrow } from "../../src/core/either.ts";
import { nextNormal, openStream } from "../../src/core/random.ts";
import { tensorFromFloat32, writeSafetensors } from "../../src/io/safetensors.ts";
import { createBackend } from "../../src/kernels/backend.ts";
import { type ModelConfig, parseModelConfigOrThrow } from "../../src/model/config.ts";
import { headsOf, intermediateSizeOf } from "../../src/model/modules.ts";
import { modelNames } from "../../src/model/names.ts";
import { type NamedValues, parameterList } from "../../src/model/parameters.ts";
import { type LayerSettings, layerSizes, narrowLayers } from "../../src/run/narrowed-layers.ts";
import { createSparseClassifier } from "../../src/sparse/classifier.ts";
import { textFiles } from "../checkpoint/vocabularies.ts";
import { randomBatch, SMALL_MODELS } from "../model/small-models.ts";

type Tensors = ReadonlyMap<string, NamedValues>;

function randomTensors(config: ModelConfig, seed: number): Tensors {
  return new Map(
    parameterList(config).map(({ name, shape }, index) => {
      const stream = openStream(seed, 5, index);
      const count = shape.reduce((product, size) => product * size, 1);
      return [
        name,
        { shape, data: Float32Array.from({ length: count }, () => nextNormal(stream)) },
      ];
    }),
  );
}

/** What is zero in a layer: `column` after attention or the activation, or `row` and bias before it. */
interface Zeros {
  readonly heads: readonly ("column" | "row" | "channels" | "kept")[];
  readonly units: readonly ("column" | "row" | "kept")[];
}

function zeroRow(tensors: Tensors, module: string, row: number): void {
  const weight = tensors.get(`${module}.weight`);
  const width = weight?.shape[1] ?? 0;
  weight?.data.fill(0, row * width, (row + 1) * width);
  tensors.get(`${module}.bias`)?.data.fill(0, row, row + 1);
}

function zeroColumn(tensors: Tensors, module: string, column: number): void {
  const { shape = [], data = new Float32Array(0) } = tensors.get(`${module}.weight`) ?? {};
  const width = shape[1] ?? 1;
  for (let i = column; i < data.length; i += width) data[i] = i % 2 === 0 ? 0 : -0;
}

/** Zeroes heads and units. In a head of `channels`, every other channel has a zero column, and the rest zero rows. */
function makeZeros(config: ModelConfig, tensors: Tensors, layers: readonly Zeros[]): void {
  const width = config.hiddenSize / config.heads;
  modelNames(config).layers.forEach((names, index) => {
    const { heads, units } = layers[index] ?? { heads: [], units: [] };
    heads.slice(0, headsOf(config, index)).forEach((kind, head) => {
      for (let channel = head * width; channel < (head + 1) * width && kind !== "kept"; channel++) {
        const isColumn = kind === "column" || (kind === "channels" && channel % 2 === 0);
        if (isColumn) zeroColumn(tensors, names.attentionOutput, channel);
        else zeroRow(tensors, names.value, channel);
      }
    });
    units.slice(0, intermediateSizeOf(config, index)).forEach((kind, unit) => {
      if (kind === "column") zeroColumn(tensors, names.output, unit);
      if (kind === "row") zeroRow(tensors, names.intermediate, unit);
    });
  });
}

function narrow(config: ModelConfig, tensors: Tensors, settings: LayerSettings) {
  const stored = [...tensors].map(
    ([name, { shape, data }]) => [name, tensorFromFloat32("F32", shape, data)] as const,
  );
  const checkpoint = getOrThrow(
    openCheckpointFile(byteSource("m", writeSafetensors(new Map(stored)))),
  );
  const directory = {
    ...{ name: "m", config, names: [] },
    files: textFiles({ "config.json": config.source }),
  };
  const narrowed = narrowLayers(directory, checkpoint, settings);
  const cuts: ReadonlyMap<string, TensorCut> = narrowed?.cuts ?? new Map();
  const { files } = narrowed?.directory ?? directory;
  const json = new TextDecoder().decode(files.get("config.json"));
  const after = new Map(
    checkpoint.entries.map((entry): [string, NamedValues] => {
      const { bytes } = checkpoint.read(entry);
      const cut = cuts.get(entry.name);
      const shape = entry.shape.map((extent, axis) =>
        axis === cut?.axis ? cut.kept.length : extent,
      );
      const kept = cut === undefined ? bytes : cutTensor(bytes, entry.shape, cut);
      return [entry.name, { shape, data: new Float32Array(kept.slice().buffer) }];
    }),
  );
  return { cuts, config: parseModelConfigOrThrow(JSON.parse(json)), tensors: after };
}

function logitsOf(config: ModelConfig, tensors: Tensors, variant: "scalar" | "simd" = "scalar") {
  const read = (name: string): NamedValues => tensors.get(name) ?? expect.fail(name);
  const classifier = createSparseClassifier(createBackend({ variant }), config, read, {
    executions: "dense",
  });
  const logits = [...classifier.logits(randomBatch([5, 3], 5, 2))];
  classifier.release();
  return logits;
}

const zeros: fc.Arbitrary<Zeros> = fc.record({
  heads: fc.array(fc.constantFrom("column", "row", "channels", "kept"), {
    ...{ minLength: 2, maxLength: 2 },
  }),
  units: fc.array(fc.constantFrom("column", "row", "kept"), { minLength: 12, maxLength: 12 }),
});

const settings: fc.Arbitrary<LayerSettings> = fc.record({
  widths: fc.constantFrom("keep", "uniform", "per-layer"),
  align: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 14 })),
  multiple: fc.integer({ min: 1, max: 14 }),
  heads: fc.constantFrom("keep", "remove"),
});

describe("narrowLayers", () => {
  test("keeps logits bit for bit on scalar kernels, and but for rounding on others", () => {
    const models = fc.constantFrom(...SMALL_MODELS.map(([, config]) => config));
    const layers = fc.array(zeros, { minLength: 2, maxLength: 2 });
    fc.assert(
      fc.property(models, layers, settings, fc.nat(99), (config, zeroed, chosen, seed) => {
        // Uniform widths need uniform widths before.
        const isUneven = config.intermediateSizes !== null;
        const isUniform = chosen.widths === "uniform";
        const asked: LayerSettings =
          isUneven && isUniform ? { ...chosen, widths: "per-layer" } : chosen;
        const tensors = randomTensors(config, seed);
        makeZeros(config, tensors, zeroed);
        const after = narrow(config, tensors, asked);
        const before = logitsOf(config, tensors);
        expect(logitsOf(after.config, after.tensors)).toEqual(before);
        const largest = Math.max(...before.map(Math.abs));
        const simd = logitsOf(config, tensors, "simd");
        logitsOf(after.config, after.tensors, "simd").forEach((logit, i) => {
          expect(Math.abs(logit - (simd[i] ?? 0))).toBeLessThanOrEqual(1e-6 * largest);
        });
        const sizes = layerSizes(after.config);
        const { multiple = 1 } = asked;
        zeroed.forEach(({ heads, units }, index) => {
          const own = heads.slice(0, headsOf(config, index));
          const used = own.filter((kind) => kind === "kept").length;
          const isRemoved = asked.heads === "remove";
          expect(sizes.heads[index]).toBe(isRemoved ? Math.max(1, used) : own.length);
          const channels = units.slice(0, intermediateSizeOf(config, index));
          const needed = channels.filter((kind) => kind === "kept").length;
          if (asked.widths === "per-layer" && asked.align === 1)
            expect(sizes.widths[index]).toBe(
              Math.min(channels.length, Math.ceil(Math.max(1, needed) / multiple) * multiple),
            );
        });
        if (asked.widths === "uniform") expect(new Set(sizes.widths).size).toBe(1);
        // What was removed once is not found a second time.
        const more = narrow(after.config, after.tensors, asked.widths === "uniform" ? {} : asked);
        expect(more.cuts.size).toBe(0);
      }),
      { numRuns: 150 },
    );
  });

  test("adds pruned heads to those of before, by their first index", () => {
    const source = { model_type: "bert", vocab_size: 30, hidden_size: 8, num_hidden_layers: 1 };
    const config = parseModelConfigOrThrow({
      ...{ ...source, num_attention_heads: 4, intermediate_size: 3 },
      pruned_heads: { 0: [1] },
    });
    const tensors = randomTensors(config, 1);
    makeZeros(config, tensors, [{ heads: ["kept", "column", "kept"], units: [] }]);
    const after = narrow(config, tensors, { heads: "remove" });
    expect(after.config.source.pruned_heads).toEqual({ 0: [1, 2] });
  });

  test("keeps heads whose queries and keys are zero, and those with a bias of values", () => {
    const [, config] = SMALL_MODELS[0] ?? expect.fail();
    const tensors = randomTensors(config, 1);
    const [first] = modelNames(config).layers;
    for (const module of [first?.query, first?.key])
      for (let channel = 0; channel < 4; channel++) zeroRow(tensors, module ?? "", channel);
    const value = tensors.get(`${first?.value}.weight`);
    value?.data.fill(0);
    const { cuts } = narrow(config, tensors, { heads: "remove" });
    expect(cuts.size).toBe(0);
  });

  test("refuses uniform widths for layers that have their own", () => {
    const [, config] = SMALL_MODELS.find(([name]) => name.includes("uneven")) ?? expect.fail();
    expect(() => narrow(config, randomTensors(config, 1), { widths: "uniform" })).toThrow(
      "m: expected `widths` per-layer for a model whose layers have different widths, got uniform",
    );
  });
});
