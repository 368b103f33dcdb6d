/** Inference with each layer computed by its kept blocks, compacted or dense: the logits of the dense model. */
import * as fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import type { LinearProduct, TableLookup } from "../../src/autograd/records.ts";
import { createTape, releaseTape } from "../../src/autograd/tape.ts";
import { nextUnit, openStream } from "../../src/core/random.ts";
import { type Backend, createBackend } from "../../src/kernels/backend.ts";
import { BLOCK_HEIGHTS } from "../../src/kernels/block-sparse.ts";
import type { KernelVariant } from "../../src/kernels/table.ts";
import type { TokenBatch } from "../../src/model/batch.ts";
import { type ModelConfig, parseModelConfigOrThrow } from "../../src/model/config.ts";
import { forward } from "../../src/model/forward.ts";
import { moduleList } from "../../src/model/modules.ts";
import {
  createParameters,
  initialiseParameters,
  type NamedValues,
} from "../../src/model/parameters.ts";
import { packBlocks } from "../../src/sparse/blocks.ts";
import {
  createSparseClassifier,
  type SparseClassifierOptions,
  type StoredValues,
} from "../../src/sparse/classifier.ts";
import {
  type CostModel,
  chooseExecution,
  measureCosts,
  predictCost,
} from "../../src/sparse/cost-model.ts";
import {
  type Execution,
  executionsOf,
  formatExecution,
  linearFacts,
  prepareProduct,
} from "../../src/sparse/execution.ts";
import { compactFeedForward } from "../../src/sparse/feed-forward.ts";
import { quantizeRows, quantizeRowsOfBlocks, unpackInt8 } from "../../src/sparse/int8.ts";
import {
  int8Activations,
  prepareInt8Product,
  prepareInt8Table,
} from "../../src/sparse/int8-product.ts";
import { type Parameter, parameterNamed, releaseParameters } from "../../src/tensor/parameter.ts";
import { createTensor } from "../../src/tensor/tensor.ts";
import { randomFloats, VARIANTS } from "../kernels/subjects.ts";

const CONFIGS: readonly ModelConfig[] = [
  parseModelConfigOrThrow({
    model_type: "bert",
    vocab_size: 30,
    hidden_size: 32,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    intermediate_size: 48,
    max_position_embeddings: 24,
    num_labels: 3,
  }),
  parseModelConfigOrThrow({
    model_type: "distilbert",
    vocab_size: 30,
    dim: 32,
    n_layers: 1,
    n_heads: 4,
    hidden_dim: 64,
    max_position_embeddings: 24,
    activation: "relu",
  }),
];

/** What of a weight is zero. */
type Zeroing = "nothing" | "4x1" | "elements" | "rows" | "columns" | "everything";
const ZEROINGS: readonly Zeroing[] = [
  "nothing",
  "4x1",
  "elements",
  "rows",
  "columns",
  "everything",
];

function isZero(zeroing: Zeroing, row: number, column: number, columns: number): boolean {
  const chance = (place: number): boolean => nextUnit(openStream(3, place)) < 0.7;
  switch (zeroing) {
    case "nothing":
      return false;
    case "4x1":
      return chance(Math.floor(row / 4) * columns + column);
    case "elements":
      return chance(row * columns + column);
    case "rows":
      return chance(row);
    case "columns":
      return chance(column);
    case "everything":
      return true;
    default:
      return zeroing satisfies never;
  }
}

/** Random parameters, biases too; the weights of linear layers are zeroed one way after the other. */
function valuesOf(backend: Backend, config: ModelConfig, first: number): Map<string, NamedValues> {
  const parameters = initialiseParameters(backend, config, 5);
  const values = new Map<string, NamedValues>();
  for (const [name, { value }] of parameters)
    values.set(name, {
      shape: value.shape,
      data: value.data.map((one, i) => one + (name.endsWith(".bias") ? ((i % 5) - 2) / 50 : 0)),
    });
  releaseParameters(parameters);
  moduleList(config)
    .filter(({ kind }) => kind === "linear")
    .forEach(({ name, shape }, i) => {
      const zeroing = ZEROINGS[(i + first) % ZEROINGS.length] ?? "nothing";
      const [, columns = 1] = shape;
      const weight = values.get(`${name}.weight`);
      if (weight === undefined) return;
      const data = weight.data.map((one, at) =>
        isZero(zeroing, Math.floor(at / columns), at % columns, columns) ? 0 : one * 4,
      );
      values.set(`${name}.weight`, { shape: weight.shape, data });
    });
  return values;
}

/** Texts of several lengths, padded to the longest. */
function batchOf(config: ModelConfig, lengths: readonly number[]): TokenBatch {
  const positions = Math.max(...lengths);
  const tokens = lengths.length * positions;
  const inputIds = new Int32Array(tokens);
  const attentionMask = new Uint8Array(tokens);
  lengths.forEach((length, example) => {
    for (let i = 0; i < length; i++) {
      inputIds[example * positions + i] = (example * 7 + i * 5 + 1) % config.vocabularySize;
      attentionMask[example * positions + i] = 1;
    }
  });
  const shape = { batch: lengths.length, positions };
  return { ...shape, inputIds, tokenTypeIds: new Int32Array(tokens), attentionMask };
}

function denseLogits(
  backend: Backend,
  config: ModelConfig,
  values: ReadonlyMap<string, NamedValues>,
  batch: TokenBatch,
): Float32Array {
  const parameters = createParameters(backend, config, values);
  const tape = createTape(backend, { training: false });
  const logits = forward(tape, config, parameters, batch).logits.value.data.slice();
  releaseTape(tape);
  releaseParameters(parameters);
  return logits;
}

/** Costs under which any way may be the cheapest: of a kept element, of a dense one, of one that is moved. */
function costsOf(
  element: number,
  dense: number,
  move: number,
  variant: KernelVariant = "simd",
): CostModel {
  const cost = (height: number) => ({ block: element * height ** 0.8, edge: 0.1 });
  const blocks = { 1: cost(1), 2: cost(2), 4: cost(4), 8: cost(8), 16: cost(16) };
  return { variant, tokens: 16, dense, blocks, move };
}

function classify(
  backend: Backend,
  config: ModelConfig,
  values: ReadonlyMap<string, NamedValues>,
  batch: TokenBatch,
  options: SparseClassifierOptions,
) {
  const read = (name: string): NamedValues => {
    const found = values.get(name);
    if (found === undefined) throw new RangeError(`${name}: expected a tensor, got none`);
    return found;
  };
  const before = backend.memory.usage().used;
  const classifier = createSparseClassifier(backend, config, read, options);
  const logits = classifier.logits(batch);
  const { layers, feedForwards, bytes } = classifier;
  classifier.release();
  expect(() => classifier.logits(batch)).toThrow(/^classifier: .* a released one$/);
  expect(backend.memory.usage().used).toBe(before);
  return { logits, layers, feedForwards, bytes };
}

function expectAlike(actual: Float32Array, expected: Float32Array): void {
  expect(actual.length).toBe(expected.length);
  actual.forEach((logit, i) => {
    expect(Math.abs(logit - (expected[i] ?? NaN))).toBeLessThan(1e-5);
  });
}

describe.each(VARIANTS)("a sparse classifier (%s)", (_name, backend) => {
  it("has the logits of the dense model, however its layers are computed", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...CONFIGS),
        fc.nat(ZEROINGS.length - 1),
        fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 4 }),
        fc.constantFrom("auto", "dense", "compacted", ...BLOCK_HEIGHTS),
        (config, first, lengths, way) => {
          const values = valuesOf(backend, config, first);
          const batch = batchOf(config, lengths);
          const names = moduleList(config).filter(
            ({ kind, shape }) => kind === "linear" && (shape[0] ?? 0) % 16 === 0,
          );
          const execution: Execution =
            typeof way === "number"
              ? { kind: "blocks", height: way }
              : { kind: way === "compacted" ? "compacted" : "dense" };
          const executions =
            way === "auto" || way === "dense"
              ? way
              : new Map(names.map(({ name }) => [name, execution]));
          const costs = costsOf(0.05, 0.03, 0.5, backend.kernels.variant);
          const result = classify(backend, config, values, batch, { costs, executions });
          expectAlike(result.logits, denseLogits(backend, config, values, batch));
          for (const { name, execution: taken } of result.layers)
            if (executions === "dense" || (executions !== "auto" && executions.has(name)))
              expect(taken).toEqual(execution);
        },
      ),
      { numRuns: 60 },
    );
  });
});

/** Gives the matrices of a model eight bits: those of pruned layers by 4x1 blocks, the others densely. */
function inEightBits(values: ReadonlyMap<string, NamedValues>): Map<string, StoredValues> {
  const stored = new Map<string, StoredValues>();
  for (const [name, { shape, data }] of values) {
    const [rows = 0, columns = 0] = shape;
    if (shape.length !== 2) {
      stored.set(name, { shape, data });
      continue;
    }
    const zeros = data.filter((value) => value === 0).length;
    const { matrix } =
      zeros > data.length / 2
        ? quantizeRowsOfBlocks(packBlocks(data, [rows, columns], [4, 1]))
        : quantizeRows(data, [rows, columns]);
    stored.set(name, { shape, data: unpackInt8(matrix), int8: matrix });
  }
  return stored;
}

/** The logits of a model whose matrices have eight bits, each with its own rounded activations. */
function int8Logits(
  backend: Backend,
  config: ModelConfig,
  values: ReadonlyMap<string, StoredValues>,
  batch: TokenBatch,
): Float32Array {
  const parameters = createParameters(backend, config, values);
  const linearProducts = new Map<Parameter, LinearProduct>();
  const tableLookups = new Map<Parameter, TableLookup>();
  const activations = int8Activations(backend);
  const held: { release(): void }[] = [];
  for (const { name, kind } of moduleList(config)) {
    const matrix = values.get(`${name}.weight`)?.int8;
    if (matrix === undefined) continue;
    const parameter = parameterNamed(parameters, `${name}.weight`);
    if (kind === "linear") {
      const prepared = prepareInt8Product(backend, matrix, activations, null);
      linearProducts.set(parameter, prepared.product);
      held.push(prepared);
    } else if (matrix.block === null) {
      const prepared = prepareInt8Table(backend, matrix);
      tableLookups.set(parameter, prepared.lookup);
      held.push(prepared);
    }
  }
  const tape = createTape(backend, { training: false, linearProducts, tableLookups });
  const options = { padding: "excluded", outputLastHiddenState: false } as const;
  const logits = forward(tape, config, parameters, batch, options).logits.value.data.slice();
  releaseTape(tape);
  activations.clear();
  releaseParameters(parameters);
  for (const one of held) one.release();
  return logits;
}

describe.each(VARIANTS)("a classifier in eight bits (%s)", (_name, backend) => {
  const lengths = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 4 });

  it("has the logits of its products, bit by bit, and almost those of floats", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...CONFIGS),
        fc.nat(ZEROINGS.length - 1),
        lengths,
        (config, first, texts) => {
          const values = inEightBits(valuesOf(backend, config, first));
          const batch = batchOf(config, texts);
          const costs = costsOf(0.05, 0.03, 0.5, backend.kernels.variant);
          const { logits, layers, bytes } = classify(backend, config, values, batch, { costs });
          expect(layers.every(({ execution }) => execution.kind === "int8")).toBe(true);
          // Without removed units.
          const asked = new Map(layers.map(({ name, execution }) => [name, execution]));
          const whole = classify(backend, config, values, batch, { costs, executions: asked });
          expect(whole.logits).toEqual(int8Logits(backend, config, values, batch));
          const executions = "floats";
          const floats = classify(backend, config, values, batch, { costs, executions });
          expect(floats.layers.some(({ execution }) => execution.kind === "int8")).toBe(false);
          expect(bytes).toBeLessThan(floats.bytes);
          logits.forEach((logit, i) => {
            expect(Math.abs(logit - (floats.logits[i] ?? NaN))).toBeLessThan(0.05);
          });
        },
      ),
      { numRuns: 20 },
    );
  });
});

const [, [, backend] = VARIANTS[0] as (typeof VARIANTS)[number]] = VARIANTS;
const [bert] = CONFIGS as readonly [ModelConfig, ...ModelConfig[]];

describe("layers in eight bits", () => {
  const values = inEightBits(valuesOf(backend, bert, 0));
  const batch = batchOf(bert, [5, 9]);
  const costs = costsOf(0.05, 0.03, 0.5, backend.kernels.variant);

  /** Executions in eight bits, for which no hidden units are removed. */
  const whole = new Map(
    classify(backend, bert, values, batch, { costs }).layers.map(({ name, execution }) => [
      name,
      execution,
    ]),
  );

  it("are named by their blocks, with facts and predicted times", () => {
    const { layers } = classify(backend, bert, values, batch, { costs, executions: whole });
    const texts = new Set(layers.map(({ execution }) => formatExecution(execution)));
    expect([...texts].sort()).toEqual(["int8 blocks 4x1", "int8 dense"]);
    for (const layer of layers) {
      const weight = values.get(`${layer.name}.weight`);
      const [outputs = 0, inputs = 0] = weight?.shape ?? [];
      expect(layer.facts).toEqual(
        linearFacts(weight?.data ?? randomFloats(1, 0), [outputs, inputs]),
      );
      expect(layer.microseconds).toBeGreaterThan(0);
      expect(layer.denseMicroseconds).toBeGreaterThan(0);
    }
  });

  it("need no floats", () => {
    const read = (name: string): StoredValues => {
      const found = values.get(name);
      if (found === undefined) throw new RangeError(`${name}: expected a tensor, got none`);
      const { shape, int8 } = found;
      if (int8 === undefined) return found;
      return {
        shape,
        int8,
        get data(): Float32Array {
          throw new Error(`${name}: expected no floats`);
        },
      };
    };
    const classifier = createSparseClassifier(backend, bert, read);
    expect(classifier.logits(batch)).toEqual(
      classify(backend, bert, values, batch, { costs }).logits,
    );
    classifier.release();
  });

  it("leave out hidden units that are never read or constant", () => {
    const { feedForwards } = classify(backend, bert, values, batch, { costs });
    expect(feedForwards.length).toBeGreaterThan(0);
    for (const { units, kept, constant } of feedForwards)
      expect([kept < units, constant]).toEqual([true, 0]);
    const named = classify(backend, bert, values, batch, { costs, executions: whole });
    expect(named.feedForwards).toEqual([]);
  });

  it("may be asked for by name, if they are stored so", () => {
    const int8 = { kind: "int8", block: null } as const;
    const name = "bert.pooler.dense";
    const executions = new Map<string, Execution>([[name, int8]]);
    const { layers } = classify(backend, bert, values, batch, { costs, executions });
    for (const layer of layers) expect(layer.execution.kind === "int8").toBe(layer.name === name);
    const floats = valuesOf(backend, bert, 0);
    expect(() => classify(backend, bert, floats, batch, { costs, executions })).toThrow(
      `executions: expected floats for ${name}, which is not stored in eight bits, got int8 dense`,
    );
  });
});

describe("the choice of a way", () => {
  it("is what the costs say, and dense where nothing is clearly cheaper", () => {
    const weight = randomFloats(1, 32 * 32);
    const dense = linearFacts(weight, [32, 32]);
    expect(chooseExecution(costsOf(0.05, 0.03, 1), dense, 8)).toEqual({ kind: "dense" });
    const columns = linearFacts(
      weight.map((value, i) => (i % 32 < 16 ? 0 : value)),
      [32, 32],
    );
    expect(columns).toMatchObject({ rows: 32, columns: 16 });
    expect(chooseExecution(costsOf(9, 0.03, 0.1), columns, 8)).toEqual({ kind: "compacted" });
    const blocks = linearFacts(
      weight.map((value, i) => ((Math.floor(i / 128) * 5 + (i % 32)) % 8 === 0 ? value : 0)),
      [32, 32],
    );
    expect(blocks.blocks.get(4)).toBe(32);
    expect(chooseExecution(costsOf(0.05, 0.03, 1), blocks, 8)).toEqual({
      kind: "blocks",
      height: 4,
    });
  });

  it("never is one that the costs hold for more than a tenth slower than another", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.001, max: 10, noNaN: true }),
        fc.double({ min: 0.001, max: 1, noNaN: true }),
        fc.double({ min: 0.001, max: 10, noNaN: true }),
        fc.constantFrom(...ZEROINGS),
        (block, one, move, zeroing) => {
          const costs = costsOf(block, one, move);
          const data = randomFloats(1, 48 * 20).map((value, i) =>
            isZero(zeroing, Math.floor(i / 20), i % 20, 20) ? 0 : value,
          );
          const facts = linearFacts(data, [48, 20]);
          const cost = (way: Execution) => predictCost(costs, facts, way, 7);
          const chosen = cost(chooseExecution(costs, facts, 7));
          for (const other of executionsOf(facts))
            expect(0.9 * chosen).toBeLessThanOrEqual(cost(other) * (1 + 1e-9));
          expect(chosen).toBeLessThanOrEqual(cost({ kind: "dense" }));
        },
      ),
    );
  });

  it("rests on costs that are measured", () => {
    const costs = measureCosts(backend, 16);
    expect(costs).toMatchObject({ variant: backend.kernels.variant, tokens: 16 });
    expect(costs.dense).toBeGreaterThan(0);
    for (const height of BLOCK_HEIGHTS) {
      const { block, edge } = costs.blocks[height];
      expect(block + edge).toBeGreaterThan(0);
    }
  });

  it("ends on a clock that stands still or goes back, and gives back its memory", () => {
    const simd = createBackend({ variant: "simd" });
    const before = simd.memory.usage().used;
    for (const drift of [0, -1]) {
      let now = 1000;
      const clock = vi.spyOn(performance, "now").mockImplementation(() => {
        now += drift;
        return now;
      });
      const costs = measureCosts(simd, 1);
      clock.mockRestore();
      expect([costs.dense, costs.move].every((cost) => cost >= 0 && cost < Infinity)).toBe(true);
      expect(simd.memory.usage().used).toBe(before);
    }
    expect(() => measureCosts(simd, 0)).toThrow(/^tokens: expected an integer from 1/);
  });

  it("is measured only if an execution is to be chosen, or when it is read", () => {
    const values = valuesOf(backend, bert, 0);
    const read = (name: string) => {
      const { shape = [], data = new Float32Array(0) } = values.get(name) ?? {};
      return { shape, data };
    };
    const clock = vi.spyOn(performance, "now");
    const classifier = createSparseClassifier(backend, bert, read, { executions: "dense" });
    expect(clock).not.toHaveBeenCalled();
    expect(classifier.layers[0]?.microseconds).toBeGreaterThan(0);
    expect(clock).toHaveBeenCalled();
    const { costs } = classifier;
    expect(classifier.costs).toBe(costs);
    clock.mockRestore();
    classifier.release();
  });

  it("is measured before parameters are read, which may be views of the memory", () => {
    const own = createBackend({ variant: "simd" });
    const parameters = initialiseParameters(own, bert, 5);
    const read = (name: string) => {
      const { shape, data } = parameterNamed(parameters, name).value;
      return { shape, data };
    };
    const classifier = createSparseClassifier(own, bert, read);
    expect(classifier.layers.length).toBeGreaterThan(0);
  });

  it("keeps parameters that are read together, also if the memory of which they are views grows", () => {
    const own = createBackend({ variant: "simd" });
    const parameters = initialiseParameters(own, bert, 5);
    const values = new Map<string, NamedValues>();
    for (const [name, { value }] of parameters)
      values.set(name, { shape: value.shape, data: value.data.slice() });
    const read = (name: string) => {
      // Fills the memory, so that it grows with the first of the parameters that are read together.
      if (name.endsWith("intermediate.dense.weight")) {
        const next = own.memory.reserve(16);
        const left = own.memory.usage().reserved - next.byteOffset;
        own.memory.free(next);
        own.memory.reserve(left / 4 - 16);
      }
      const { shape, data } = parameterNamed(parameters, name).value;
      return { shape, data };
    };
    const costs = costsOf(0.05, 0.03, 1);
    const { reserved } = own.memory.usage();
    const classifier = createSparseClassifier(own, bert, read, { costs });
    expect(own.memory.usage().reserved).toBeGreaterThan(reserved);
    const batch = batchOf(bert, [3, 5]);
    expectAlike(classifier.logits(batch), denseLogits(own, bert, values, batch));
  });

  it("refuses a height that does not divide a layer, a tensor of another shape, and leaves no memory held", () => {
    const values = valuesOf(backend, bert, 0);
    const batch = batchOf(bert, [3]);
    const costs = costsOf(0.05, 0.03, 1, backend.kernels.variant);
    const before = backend.memory.usage().used;
    const executions = new Map([["classifier", { kind: "blocks", height: 4 } as const]]);
    expect(() => classify(backend, bert, values, batch, { costs, executions })).toThrow(
      /executions: expected a height that divides the 3 outputs of classifier/,
    );
    for (const [wrong, message] of [
      ["sparse", /^executions: expected "auto", "floats", "dense", or a Map .*, got "sparse"$/],
      [{}, /^executions: expected "auto", "floats", "dense", or a Map .*, got an object \(\)$/],
      [new Map([["clasifier", { kind: "dense" }]]), /^executions: .* such as bert.*"clasifier"$/],
      [
        new Map([["classifier", { kind: "sparse" }]]),
        /^executions of classifier: expected one of dense, blocks, compacted, int8, got "sparse"$/,
      ],
    ] as const) {
      const options = { costs, executions: wrong as unknown as "dense" };
      expect(() => classify(backend, bert, values, batch, options)).toThrow(message);
    }
    const short = new Map(values).set("classifier.bias", {
      shape: [2],
      data: new Float32Array(2),
    });
    expect(() => classify(backend, bert, short, batch, { costs })).toThrow(
      "classifier.bias: expected [3], got [2]",
    );
    expect(backend.memory.usage().used).toBe(before);
  });
});

describe("costs and zeros", () => {
  it("are refused where they are those of other kernels, or none", () => {
    const values = valuesOf(backend, bert, 0);
    const batch = batchOf(bert, [3]);
    const { variant } = backend.kernels;
    const costs = costsOf(0.05, 0.03, 1, variant);
    const refused = (wrong: CostModel) => () =>
      classify(backend, bert, values, batch, { costs: wrong });
    expect(refused({ ...costs, variant: variant === "fma" ? "simd" : "fma" })).toThrow(
      /^costs: expected those of \w+ kernels, got \w+$/,
    );
    expect(refused({ ...costs, dense: NaN })).toThrow(
      "costs.dense: expected a finite number from 0 to Infinity, got NaN",
    );
    const blocks = { ...costs.blocks, 4: { block: -1, edge: 0 } };
    expect(refused({ ...costs, blocks })).toThrow(/^costs.blocks\[4\].block: .*got -1$/);
    expect(refused({ ...costs, tokens: NaN })).toThrow(/^costs.tokens: expected an integer/);
    const { blocks: _, ...others } = costs;
    expect(refused(others as CostModel)).toThrow(/^costs.blocks: expected costs for each height/);
    expect(refused(null as unknown as CostModel)).toThrow(
      /^costs: expected a cost model, got null/,
    );
  });

  it("count whole tiles of tokens, but at the number they were measured at", () => {
    const facts = linearFacts(new Float32Array(64).fill(1), [8, 8]);
    const cost = (tokens: number, variant: KernelVariant) =>
      predictCost(costsOf(1, 1, 1, variant), facts, { kind: "blocks", height: 4 }, tokens);
    expect(cost(1, "simd")).toBe(cost(8, "simd"));
    expect(cost(9, "simd")).toBe(cost(16, "simd"));
    expect(cost(17, "revectorized")).toBe(cost(32, "revectorized"));
    const measured = { ...costsOf(1, 1, 1, "simd"), tokens: 9 };
    const whole = { ...measured, tokens: 16 };
    const [own, other] = [measured, whole].map((costs) =>
      predictCost(costs, facts, { kind: "blocks", height: 4 }, 9),
    );
    expect((own ?? 0) / (other ?? 0)).toBeCloseTo(9 / 16, 9);
    expect(cost(9, "scalar")).toBeCloseTo((9 / 8) * cost(8, "scalar"), 9);
  });

  it("are zeros whatever their sign", () => {
    const [n, k, m] = [16, 8, 5];
    const masked = randomFloats(4, n * k).map((value, i) => value * (i % k === 2 ? 1 : 0));
    expect(masked.some((value) => Object.is(value, -0))).toBe(true);
    const facts = linearFacts(masked, [n, k]);
    expect(facts).toMatchObject({ rows: n, columns: 1 });
    expect(facts.blocks.get(4)).toBe(4);
    const plain = masked.map((value) => value + 0);
    const x = createTensor(backend, [m, k], randomFloats(5, m * k));
    for (const execution of executionsOf(facts)) {
      if (execution.kind === "dense") continue;
      const made = [masked, plain].map((weight) => {
        const y = createTensor(backend, [m, n]);
        const prepared = prepareProduct(backend, weight, [n, k], execution);
        prepared.product(x, null, y, m);
        const result = { y: y.data.slice(), bytes: prepared.bytes };
        prepared.release();
        y.release();
        return result;
      });
      expect(made[0]).toEqual(made[1]);
    }
    x.release();
  });
});

describe("hidden units that cannot matter", () => {
  it("are refused where arrays do not fit", () => {
    const layer = {
      expand: new Float32Array(6),
      expandBias: new Float32Array(2),
      contract: new Float32Array(6),
      hidden: 2,
      width: 3,
    };
    expect(compactFeedForward(layer).hidden).toBe(1);
    expect(() => compactFeedForward({ ...layer, expandBias: new Float32Array(0) })).toThrow(
      "expandBias: expected 2 elements, got 0",
    );
    expect(() => compactFeedForward({ ...layer, hidden: 0 })).toThrow(/^hidden: /);
  });

  it("are left out of a model where that is cheaper, and the logits stay", () => {
    const values = new Map(valuesOf(backend, bert, 0));
    const name = "bert.encoder.layer.0.intermediate.dense";
    const weight = values.get(`${name}.weight`);
    const bias = values.get(`${name}.bias`);
    if (weight === undefined || bias === undefined) throw new Error("expected the layer");
    const isKept = (unit: number): boolean => unit % 3 === 0;
    const data = weight.data.map((_, i) => (isKept(Math.floor(i / 32)) ? Math.sin(i) : 0));
    values.set(`${name}.weight`, { shape: weight.shape, data });
    const biases = bias.data.map((_, unit) => (isKept(unit) || unit === 1 ? 0.5 : 0));
    values.set(`${name}.bias`, { shape: bias.shape, data: biases });
    const contract = "bert.encoder.layer.0.output.dense.weight";
    const full = randomFloats(8, 32 * 48);
    values.set(contract, { shape: [32, 48], data: full });
    const batch = batchOf(bert, [5, 9]);
    const result = classify(backend, bert, values, batch, {
      costs: costsOf(9, 0.03, 9, backend.kernels.variant),
    });
    expect(result.feedForwards).toContainEqual({ name, units: 48, kept: 17, constant: 1 });
    expectAlike(result.logits, denseLogits(backend, bert, values, batch));
    const named = classify(backend, bert, values, batch, {
      costs: costsOf(9, 0.03, 9, backend.kernels.variant),
      executions: new Map(),
    });
    expect(named.feedForwards).toEqual([]);
  });

  it("are left out, and nothing else", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 5 }),
        fc.nat(),
        (hidden, width, seed) => {
          const stream = openStream(seed, 1);
          const sparse = (count: number): Float32Array =>
            Float32Array.from({ length: count }, () =>
              nextUnit(stream) < 0.6 ? 0 : nextUnit(stream) - 0.5,
            );
          const layer = {
            expand: sparse(hidden * width),
            expandBias: sparse(hidden),
            contract: sparse(width * hidden),
            hidden,
            width,
          };
          const small = compactFeedForward(layer);
          const x = Array.from({ length: width }, (_, i) => Math.sin(i + 1));
          const run = ({ expand, expandBias, contract, hidden: units }: typeof layer): number[] => {
            const h = Array.from({ length: units }, (_, unit) => {
              let sum = expandBias[unit] ?? 0;
              x.forEach((value, i) => {
                sum += value * (expand[unit * width + i] ?? 0);
              });
              return Math.max(0, sum);
            });
            return x.map((_, row) =>
              h.reduce((sum, value, unit) => sum + value * (contract[row * units + unit] ?? 0), 0),
            );
          };
          run(small).forEach((value, i) => {
            expect(value).toBeCloseTo(run(layer)[i] ?? NaN, 12);
          });
          const constants = Array.from({ length: small.hidden }, (_, unit) => unit).filter(
            (unit) => {
              const row = small.expand.subarray(unit * width, (unit + 1) * width);
              return row.every((value) => value === 0) && small.expandBias[unit] !== 0;
            },
          );
          if (small.hidden > 1) expect(small.constant).toBe(constants.length);
          const matters = (unit: number): boolean => {
            const from = layer.expand.subarray(unit * width, (unit + 1) * width);
            const isSet = from.some((value) => value !== 0) || layer.expandBias[unit] !== 0;
            return isSet && x.some((_, row) => layer.contract[row * hidden + unit] !== 0);
          };
          const mattering = Array.from({ length: hidden }, (_, unit) => unit).filter(matters);
          expect(small.hidden).toBe(Math.max(1, mattering.length));
        },
      ),
      { numRuns: 300 },
    );
  });
});
