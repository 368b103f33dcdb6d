import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nextUnit, openStream } from "../../src/core/random.ts";
import type { Backend } from "../../src/kernels/backend.ts";
import {
  type BlockSparseMatrix,
  shardsOf,
  weightGradientSpace,
  workingSpace,
} from "../../src/kernels/block-sparse.ts";
import { createNodeBackend } from "../../src/node/threaded-backend.ts";
import { EPSILON, execute, expectClose, randomFloats, VARIANTS } from "./subjects.ts";

/** A product: sizes, and which share of the blocks is kept. */
interface Product {
  readonly tokens: number;
  readonly blockRows: number;
  readonly inputs: number;
  readonly density: number;
  readonly accumulate: boolean;
}

interface Operands {
  readonly x: Float32Array;
  readonly dy: Float32Array;
  readonly weight: Float32Array;
  readonly bias: Float32Array;
  readonly starts: Int32Array;
  readonly columns: Int32Array;
  readonly values: Float32Array;
  readonly y: Float32Array;
  readonly dx: Float32Array;
  readonly dWeight: Float32Array;
  readonly tile: Float32Array;
  readonly sums: Float32Array;
}

/** Kept blocks by chance; the weight is zero elsewhere. */
function operandsOf({ tokens, blockRows, inputs, density }: Product): Operands {
  const outputs = 4 * blockRows;
  const stream = openStream(1, tokens + inputs);
  const starts = [0];
  const columns: number[] = [];
  const weight = new Float32Array(outputs * inputs);
  const dense = randomFloats(4, outputs * inputs);
  for (let row = 0; row < blockRows; row++) {
    for (let input = 0; input < inputs; input++) {
      if (nextUnit(stream) >= density) continue;
      columns.push(input);
      for (let o = 4 * row; o < 4 * row + 4; o++)
        weight[o * inputs + input] = dense[o * inputs + input];
    }
    starts.push(columns.length);
  }
  return {
    x: randomFloats(2, tokens * inputs),
    dy: randomFloats(3, tokens * outputs),
    weight,
    bias: randomFloats(5, outputs),
    starts: Int32Array.from(starts),
    columns: Int32Array.from(columns),
    values: new Float32Array(4 * columns.length),
    y: randomFloats(6, tokens * outputs),
    dx: randomFloats(7, tokens * inputs),
    dWeight: randomFloats(8, outputs * inputs),
    tile: randomFloats(9, Math.max(workingSpace(4, inputs), weightGradientSpace(inputs))),
    sums: randomFloats(10, 4 * columns.length * shardsOf(tokens)),
  };
}

/** Runs all four kernels, the ranges of each divided at `cuts` (shares of the whole). */
function runAll(
  backend: Backend,
  product: Product,
  operands: Operands,
  cuts: readonly number[] = [],
  bias = true,
): Operands {
  const { tokens, blockRows, inputs, accumulate } = product;
  const ranges = (total: number): readonly (readonly [number, number])[] => {
    const ends = [...cuts.map((cut) => Math.floor(cut * total)), total];
    return ends.map((end, i) => [ends[i - 1] ?? 0, end]);
  };
  return execute(backend, { ...operands }, (kernels, v) => {
    const { starts, columns, values } = v;
    const sizes = { outputs: 4 * blockRows, inputs, height: 4 } as const;
    const matrix: BlockSparseMatrix = { ...sizes, starts, columns, values };
    kernels.blockSparseGather(v.weight, matrix);
    for (const [first, end] of ranges(tokens)) {
      kernels.blockSparseForward(v.x, matrix, bias ? v.bias : null, v.y, first, end, v.tile);
      kernels.blockSparseInputGradient(v.dy, matrix, v.dx, accumulate, first, end, v.tile);
    }
    kernels.blockSparseWeightSums(v.dy, v.x, matrix, tokens, v.sums, v.tile);
    kernels.blockSparseAddSums(v.sums, shardsOf(tokens), matrix, v.dWeight);
  });
}

/** Entries in double precision, each with the sum of the magnitudes of what it is the sum of. */
class Sums {
  readonly values: Float64Array;
  readonly magnitudes: Float64Array;

  constructor(start: Float32Array) {
    this.values = Float64Array.from(start);
    this.magnitudes = this.values.map(Math.abs);
  }

  add(index: number, term: number): void {
    this.values[index] += term;
    this.magnitudes[index] += Math.abs(term);
  }
}

function isKept({ starts, columns }: Operands, output: number, input: number): boolean {
  const row = output >> 2;
  return columns.subarray(starts[row], starts[row + 1]).includes(input);
}

function definition(product: Product, operands: Operands, bias: boolean) {
  const { tokens, blockRows, inputs, accumulate } = product;
  const { x, dy, weight } = operands;
  const outputs = 4 * blockRows;
  const y = new Sums(
    operands.y.map((_, i) => (bias ? (operands.bias[i % outputs] ?? Number.NaN) : 0)),
  );
  const dx = new Sums(accumulate ? operands.dx : new Float32Array(tokens * inputs));
  const dWeight = new Sums(operands.dWeight);
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) {
      if (!isKept(operands, o, i)) continue;
      for (let t = 0; t < tokens; t++) {
        y.add(t * outputs + o, weight[o * inputs + i] * x[t * inputs + i]);
        dx.add(t * inputs + i, weight[o * inputs + i] * dy[t * outputs + o]);
        dWeight.add(o * inputs + i, dy[t * outputs + o] * x[t * inputs + i]);
      }
    }
  }
  return { y, dx, dWeight };
}

/** Every product is rounded, and every one of its sums. */
function expectProducts(backend: Backend, product: Product, bias = true): Operands {
  const operands = operandsOf(product);
  const actual = runAll(backend, product, operands, [], bias);
  const expected = definition(product, operands, bias);
  const expectSums = (values: Float32Array, sums: Sums, terms: number) =>
    expectClose(values, sums.values, (i) => 1.01 * (terms + 2) * EPSILON * sums.magnitudes[i]);
  expectSums(actual.y, expected.y, product.inputs);
  expectSums(actual.dx, expected.dx, 4 * product.blockRows);
  expectSums(actual.dWeight, expected.dWeight, product.tokens);
  return actual;
}

const densities = fc.constantFrom(0, 0.1, 0.3, 0.7, 1);

const products: fc.Arbitrary<Product> = fc.record({
  tokens: fc.nat(27),
  blockRows: fc.integer({ min: 1, max: 6 }),
  inputs: fc.integer({ min: 1, max: 21 }),
  density: densities,
  accumulate: fc.boolean(),
});

describe.each(VARIANTS)("products with block-sparse weights (%s)", (_name, backend) => {
  it("equal their definitions for all sizes and densities", () => {
    fc.assert(
      fc.property(products, fc.boolean(), (product, bias) => {
        expectProducts(backend, product, bias);
      }),
      { numRuns: 300 },
    );
  });

  it("equal their definitions on long rows", () => {
    const shape = { tokens: 37, blockRows: 9, inputs: 301, accumulate: true };
    for (const density of [0.05, 0.5]) expectProducts(backend, { ...shape, density });
  });

  it("equal their definitions on more tokens than a shard has", () => {
    const shape = { blockRows: 2, inputs: 9, density: 0.6, accumulate: false };
    for (const tokens of [127, 128, 129, 255, 256, 257, 512, 530])
      expectProducts(backend, { ...shape, tokens });
    expectProducts(backend, { ...shape, tokens: 300, blockRows: 19 });
  });

  it("give the same bytes however the work is divided", () => {
    const cut = fc.float({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(products, fc.array(cut, { maxLength: 4 }), (product, unordered) => {
        const operands = operandsOf(product);
        const whole = runAll(backend, product, operands);
        const cuts = [...unordered].sort((a, b) => a - b);
        const { y, dx } = runAll(backend, product, operands, cuts);
        expect({ y, dx }).toEqual({ y: whole.y, dx: whole.dx });
      }),
      { numRuns: 200 },
    );
  });

  it("leave the gradient of pruned weights as it is", () => {
    const product = { tokens: 19, blockRows: 3, inputs: 11, density: 0.4, accumulate: false };
    const operands = operandsOf(product);
    const { dWeight } = runAll(backend, product, operands);
    operands.dWeight.forEach((before, i) => {
      const kept = isKept(operands, Math.floor(i / 11), i % 11);
      expect(dWeight[i] === before).toBe(!kept);
    });
  });

  it("gather the values of the kept blocks", () => {
    const product = { tokens: 1, blockRows: 3, inputs: 5, density: 0.5, accumulate: false };
    const operands = operandsOf(product);
    const { values } = runAll(backend, product, operands);
    const expected: number[] = [];
    for (let row = 0; row < 3; row++) {
      for (const input of operands.columns.subarray(operands.starts[row], operands.starts[row + 1]))
        for (let o = 4 * row; o < 4 * row + 4; o++) expected.push(operands.weight[o * 5 + input]);
    }
    expect(Array.from(values)).toEqual(expected);
  });

  it("pass NaN and infinity on to their token alone", () => {
    const product = { tokens: 13, blockRows: 2, inputs: 6, density: 1, accumulate: false };
    const operands = operandsOf(product);
    operands.x[3 * 6 + 1] = Number.NaN;
    operands.x[12 * 6 + 4] = Infinity;
    operands.dy[3 * 8 + 1] = Number.NaN;
    operands.dy[12 * 8 + 4] = Infinity;
    const { y, dx } = runAll(backend, product, operands);
    const kind = (value: number) =>
      Number.isNaN(value) ? "NaN" : Number.isFinite(value) ? "finite" : "infinite";
    for (const [values, width] of [
      [y, 8],
      [dx, 6],
    ] as const) {
      values.forEach((value, i) => {
        const token = Math.floor(i / width);
        expect(kind(value)).toBe(token === 3 ? "NaN" : token === 12 ? "infinite" : "finite");
      });
    }
  });
});

const WASM = VARIANTS.filter(([name]) => name !== "scalar");

it.each(WASM)("products on several threads have the bytes of one (%s)", async (_name, backend) => {
  const threaded = await createNodeBackend({ threads: 3, variant: backend.kernels.variant });
  try {
    for (const product of [
      { tokens: 700, blockRows: 40, inputs: 67, density: 0.4, accumulate: true },
      // Fewer shards than threads, whose block rows are shared, and enough blocks that adding their sums is.
      { tokens: 200, blockRows: 43, inputs: 300, density: 0.9, accumulate: false },
      // Inputs that need the caller's room.
      { tokens: 530, blockRows: 3, inputs: 4100, density: 0.02, accumulate: true },
    ]) {
      const operands = operandsOf(product);
      const shared = runAll(threaded, product, operands);
      const alone = runAll(backend, product, operands);
      for (const name of ["y", "dx", "dWeight"] as const)
        expect(Buffer.from(shared[name].buffer).equals(Buffer.from(alone[name].buffer))).toBe(true);
    }
  } finally {
    threaded.stop();
  }
});

describe.each(WASM)("arguments of products with block-sparse weights (%s)", (_name, backend) => {
  const { kernels, memory } = backend;
  const region = memory.allocate(64);
  const startsRegion = memory.allocate(3);
  const roomRegion = memory.allocate(weightGradientSpace(2));

  it("are refused where an array is too short, or a range is none", () => {
    const [tileRegion, columnsRegion] = [memory.allocate(workingSpace(4, 2)), memory.allocate(2)];
    const [x, tile] = [memory.float32(region).fill(1), memory.float32(tileRegion)];
    const starts = memory.int32(startsRegion);
    starts.set([0, 1, 2]);
    const columns = memory.int32(columnsRegion).fill(0);
    const whole = { outputs: 8, inputs: 2, height: 4, starts, columns, values: x } as const;
    const short = x.subarray(0, 7);
    const forward =
      (matrix: BlockSparseMatrix, y: Float32Array, first: number, end: number) => () =>
        kernels.blockSparseForward(x, matrix, null, y, first, end, tile);
    expect(forward({ ...whole, values: short }, x, 0, 1)).toThrow(/^values: expected at least 8/);
    expect(forward({ ...whole, columns: columns.subarray(1) }, x, 0, 1)).toThrow(/^columns: /);
    expect(forward({ ...whole, starts: starts.subarray(1) }, x, 0, 1)).toThrow(/^starts: /);
    expect(forward(whole, short, 0, 1)).toThrow(/^y: expected at least 8/);
    expect(forward(whole, x, 2, 1)).toThrow(/^tokens: expected a range/);
    expect(() => kernels.blockSparseInputGradient(short, whole, x, true, 0, 1, x)).toThrow(/^dy: /);
    expect(() => kernels.blockSparseGather(short, whole)).toThrow(/^weight: /);
    const room = memory.float32(roomRegion);
    const weightSums =
      (dy: Float32Array, xs: Float32Array, sums: Float32Array, space: Float32Array) => () =>
        kernels.blockSparseWeightSums(dy, xs, whole, 1, sums, space);
    expect(weightSums(short, x, x, room)).toThrow(/^dy: expected at least 8/);
    expect(weightSums(x, x.subarray(0, 1), x, room)).toThrow(/^x: expected at least 2/);
    expect(weightSums(x, x, short, room)).toThrow(/^sums: expected at least 8/);
    expect(weightSums(x, x, x, room.subarray(1))).toThrow(/^tile: /);
    const add = (sums: Float32Array, dWeight: Float32Array) => () =>
      kernels.blockSparseAddSums(sums, 1, whole, dWeight);
    expect(add(short, x)).toThrow(/^sums: expected at least 8/);
    expect(add(x, x.subarray(0, 15))).toThrow(/^dWeight: expected at least 16/);
    expect(x).toEqual(new Float32Array(64).fill(1));
  });

  it("are refused where a block's height is none, or one that has no gradients", () => {
    const [tileRegion, columnsRegion] = [memory.allocate(workingSpace(8, 2)), memory.allocate(2)];
    const [x, tile] = [memory.float32(region).fill(1), memory.float32(tileRegion)];
    const starts = memory.int32(startsRegion);
    starts.set([0, 1, 2]);
    const columns = memory.int32(columnsRegion).fill(0);
    const tall = { outputs: 16, inputs: 2, height: 8, starts, columns, values: x } as const;
    const forward = (matrix: BlockSparseMatrix) => () =>
      kernels.blockSparseForward(x, matrix, null, x, 0, 1, tile);
    const third = { ...tall, height: 3 } as unknown as BlockSparseMatrix;
    expect(forward(third)).toThrow(/^height: expected one of 1, 2, 4, 8, 16 .* got 3$/);
    expect(forward({ ...tall, outputs: 12 })).toThrow(/^height: .* divides 12 outputs, got 8$/);
    expect(forward({ ...tall, height: 16 })).not.toThrow();
    expect(forward({ ...tall, values: x.subarray(0, 15) })).toThrow(
      /^values: expected at least 16/,
    );
    expect(() => kernels.blockSparseGather(x, tall)).toThrow(/^height: expected 4, got 8$/);
    expect(() => kernels.blockSparseInputGradient(x, tall, x, true, 0, 1, x)).toThrow(/^height: /);
    expect(() => kernels.blockSparseWeightSums(x, x, tall, 1, x, x)).toThrow(
      /^height: expected 4, got 8$/,
    );
  });
});
