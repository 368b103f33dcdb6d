/** Products of 8-bit weights and activations, their activations, and lookups in 8-bit tables. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromBfloat16, roundUpToBfloat16 } from "../../src/core/half.ts";
import { nextUnit, openStream } from "../../src/core/random.ts";
import type { Backend } from "../../src/kernels/backend.ts";
import { int8Layout, LEAST_RANGE, rowBytes } from "../../src/kernels/int8.ts";
import type { BlockShape } from "../../src/sparse/blocks.ts";
import type { Int8Matrix } from "../../src/sparse/int8.ts";
import { int8Weight } from "../../src/sparse/int8-weight.ts";
import { EPSILON, execute, expectClose, randomFloats, VARIANTS } from "./subjects.ts";

const { fround } = Math;

interface Rows {
  readonly x: Float32Array;
  readonly tokens: number;
  readonly inputs: number;
}

/** Floats with ties between bytes, zeros of both signs, and magnitudes from denormal to huge. */
const activation = fc.oneof(
  fc.float({ min: -4, max: 4, noNaN: true }),
  fc.integer({ min: -127, max: 254 }).map((half) => half / 2),
  fc.constantFrom(0, -0, 1e-45, -1e-38, 1e-30, -1e30, 3e37),
);

const rows: fc.Arbitrary<Rows> = fc
  .record({ tokens: fc.nat(20), inputs: fc.integer({ min: 1, max: 70 }) })
  .chain(({ tokens, inputs }) => {
    const [minLength, maxLength] = [inputs, inputs];
    const row = fc.oneof(
      fc.array(activation, { minLength, maxLength }),
      fc.array(fc.float({ min: -4, max: 4, noNaN: true }), { minLength, maxLength }),
      activation.map((value) => new Array<number>(inputs).fill(value)),
    );
    return fc
      .array(row, { minLength: tokens, maxLength: tokens })
      .map((all) => ({ x: Float32Array.from(all.flat()), tokens, inputs }));
  });

/** A row rounded as the definition says: one rounding to float32 for each operation. */
function roundedRow(row: Float32Array) {
  const low = row.reduce((a, b) => Math.min(a, b), 0);
  const range = fround(row.reduce((a, b) => Math.max(a, b), 0) - low);
  if (!row.every(Number.isFinite) || range === Infinity)
    return { scale: NaN, zero: 0, bytes: row.map(() => 0) };
  if (range < LEAST_RANGE) return { scale: 0, zero: 0, bytes: row.map(() => 0) };
  const ratio = fround(127 / range);
  const zero = nearestEven(fround(-low * ratio));
  const bytes = row.map((x) => Math.min(127, nearestEven(fround(x * ratio) + zero)));
  return { scale: fround(range / 127), zero, bytes };
}

function nearestEven(x: number): number {
  const below = Math.floor(x) + 0; // not -0
  const rest = x - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

function quantize(backend: Backend, { x, tokens, inputs }: Rows) {
  const arrays = {
    x,
    bytes: new Int32Array((tokens * rowBytes(inputs)) / 4),
    scales: new Float32Array(tokens),
    zeros: new Int32Array(tokens),
  };
  const { bytes, scales, zeros } = execute(backend, arrays, (kernels, v) => {
    kernels.int8Quantize(v.x, v, tokens, inputs);
  });
  return { bytes, scales, zeros };
}

describe.each(VARIANTS)("rounding of activations to bytes (%s)", (_name, backend) => {
  it("equals its definition", () => {
    fc.assert(
      fc.property(rows, (given) => {
        const { x, tokens, inputs } = given;
        const { bytes, scales, zeros } = quantize(backend, given);
        const found = new Uint8Array(bytes.buffer);
        for (let t = 0; t < tokens; t++) {
          const expected = roundedRow(x.subarray(t * inputs, (t + 1) * inputs));
          expect(zeros[t]).toBe(expected.zero);
          expect(scales[t]).toBe(expected.scale);
          const start = t * rowBytes(inputs);
          expect([...found.subarray(start, start + inputs)]).toEqual([...expected.bytes]);
          const padding = found.subarray(start + inputs, start + rowBytes(inputs));
          expect(padding.every((byte) => byte === expected.zero)).toBe(true);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("differs from each element by at most 0.501 times the scale", () => {
    fc.assert(
      fc.property(rows, (given) => {
        const { x, tokens, inputs } = given;
        const { bytes, scales, zeros } = quantize(backend, given);
        const found = new Uint8Array(bytes.buffer);
        for (let t = 0; t < tokens; t++)
          for (let i = 0; i < inputs && !Number.isNaN(scales[t]); i++) {
            const value = scales[t] * (found[t * rowBytes(inputs) + i] - zeros[t]);
            const error = Math.abs(value - x[t * inputs + i]);
            expect(error).toBeLessThanOrEqual(Math.max(0.501 * scales[t], LEAST_RANGE));
          }
      }),
      { numRuns: 200 },
    );
  });

  it("marks rows that are not finite with the scale NaN", () => {
    for (const value of [NaN, Infinity, -Infinity])
      for (const place of [0, 5, 16, 18]) {
        const x = randomFloats(1, 3 * 19);
        x[19 + place] = value;
        const { scales, zeros, bytes } = quantize(backend, { x, tokens: 3, inputs: 19 });
        expect([...scales].map(Number.isNaN)).toEqual([false, true, false]);
        expect(zeros[1]).toBe(0);
        expect(new Uint8Array(bytes.buffer, 32, 32).every((byte) => byte === 0)).toBe(true);
      }
    const wide = Float32Array.of(-3e38, 3e38);
    expect(quantize(backend, { x: wide, tokens: 1, inputs: 2 }).scales[0]).toBeNaN();
  });
});

interface Product {
  readonly tokens: number;
  readonly outputs: number;
  readonly inputs: number;
  readonly block: BlockShape | null;
  readonly density: number;
  readonly bias: boolean;
}

const BLOCKS: readonly (BlockShape | null)[] = [
  ...([null, [4, 1], [8, 1], [16, 1], [32, 1], [12, 1], [4, 3], [8, 4]] as const),
  ...([
    [1, 4],
    [1, 8],
    [1, 16],
    [1, 3],
    [1, 1],
    [2, 1],
    [3, 5],
    [6, 2],
  ] as const),
];

const products: fc.Arbitrary<Product> = fc.record({
  tokens: fc.oneof(fc.nat(40), fc.constantFrom(1, 7, 8, 9, 15, 16, 17)),
  outputs: fc.integer({ min: 1, max: 45 }),
  inputs: fc.integer({ min: 1, max: 70 }),
  block: fc.constantFrom(...BLOCKS),
  density: fc.constantFrom(0, 0.1, 0.4, 1),
  bias: fc.boolean(),
});

/** A matrix with random kept blocks; about a tenth of its elements are 0, and one of its rows is, too. */
function matrixOf({ outputs, inputs, block, density }: Product): Int8Matrix {
  const stream = openStream(4, outputs * inputs);
  const scales = Uint16Array.from({ length: outputs }, () =>
    roundUpToBfloat16(nextUnit(stream) < 0.1 ? 0 : nextUnit(stream) / 100),
  );
  const shape = [outputs, inputs] as const;
  const element = (row: number, column: number): number => {
    const value = Math.floor(nextUnit(stream) * 255) - 127;
    const isUsed = row < outputs && column < inputs && row !== 2 && nextUnit(stream) > 0.1;
    return isUsed ? value : 0;
  };
  if (block === null) {
    const values = Int8Array.from({ length: outputs * inputs }, (_, i) =>
      nextUnit(stream) < density ? element(Math.floor(i / inputs), i % inputs) : 0,
    );
    return { layout: "int8", shape, block, values, scales };
  }
  const [height, width] = block;
  const starts = [0];
  const columns: number[] = [];
  const values: number[] = [];
  for (let row = 0; row < Math.ceil(outputs / height); row++) {
    for (let column = 0; column < Math.ceil(inputs / width); column++) {
      if (nextUnit(stream) >= density) continue;
      columns.push(column);
      for (let r = 0; r < height; r++)
        for (let c = 0; c < width; c++) values.push(element(row * height + r, column * width + c));
    }
    starts.push(columns.length);
  }
  return {
    layout: "int8",
    shape,
    block,
    starts: Uint32Array.from(starts),
    columns: Uint16Array.from(columns),
    values: Int8Array.from(values),
    scales,
  };
}

/** The integers of a matrix, row-major. */
function denseOf(matrix: Int8Matrix): Int8Array {
  if (matrix.block === null) return matrix.values;
  const { shape, block, starts, columns, values } = matrix;
  const [outputs, inputs] = shape;
  const dense = new Int8Array(outputs * inputs);
  for (let row = 0; row + 1 < starts.length; row++)
    for (let b = starts[row]; b < starts[row + 1]; b++)
      for (let i = 0; i < block[0] * block[1]; i++) {
        const o = row * block[0] + Math.floor(i / block[1]);
        const input = columns[b] * block[1] + (i % block[1]);
        if (o < outputs && input < inputs)
          dense[o * inputs + input] = values[b * block[0] * block[1] + i];
      }
  return dense;
}

function operandsOf(product: Product, backend: Backend) {
  const { tokens, outputs, inputs } = product;
  const matrix = matrixOf(product);
  const { form, ...arrays } = int8Weight(matrix, int8Layout(backend.kernels.variant));
  const x = randomFloats(7, tokens * inputs);
  if (tokens > 3) x.fill(0, 3 * inputs, 4 * inputs);
  return { matrix, form, arrays, x, bias: randomFloats(5, outputs) };
}

/** Rounds the activations and multiplies them. */
function run(
  backend: Backend,
  product: Product,
  { form, arrays, x, bias }: ReturnType<typeof operandsOf>,
) {
  const { tokens, outputs, inputs } = product;
  const { outputs: _outputs, inputs: _inputs, ...placed } = arrays;
  const all = {
    ...placed,
    ...quantize(backend, { x, tokens, inputs }),
    weightScales: placed.scales,
    bias,
    y: randomFloats(6, tokens * outputs),
  };
  const done = execute(backend, all, (kernels, v) => {
    const weight = { ...v, form, outputs, inputs, scales: v.weightScales };
    kernels.int8Forward(v, weight, product.bias ? v.bias : null, v.y, tokens);
  });
  return done;
}

describe.each(VARIANTS)("products with 8-bit weights (%s)", (_name, backend) => {
  it("equal their definition, bit by bit", () => {
    fc.assert(
      fc.property(products, (product) => {
        const { tokens, outputs, inputs, bias } = product;
        const operands = operandsOf(product, backend);
        const { y, bytes, scales, zeros } = run(backend, product, operands);
        const dense = denseOf(operands.matrix);
        const found = new Uint8Array(bytes.buffer);
        const expected = new Float32Array(tokens * outputs);
        for (let t = 0; t < tokens; t++)
          for (let o = 0; o < outputs; o++) {
            let sum = 0;
            for (let i = 0; i < inputs; i++)
              sum += (found[t * rowBytes(inputs) + i] - zeros[t]) * dense[o * inputs + i];
            const scale = fromBfloat16(operands.matrix.scales[o]);
            const value = fround(fround(fround(sum) * scale) * scales[t]);
            expected[t * outputs + o] = value + (bias ? operands.bias[o] : 0);
          }
        expect(y).toEqual(expected);
      }),
      { numRuns: 200 },
    );
  });

  it("differ from the product of floats by the error of the activations", () => {
    fc.assert(
      fc.property(products, (product) => {
        const { tokens, outputs, inputs, bias } = product;
        const operands = operandsOf(product, backend);
        const { y, scales } = run(backend, product, operands);
        const dense = denseOf(operands.matrix);
        const expected = new Float64Array(tokens * outputs);
        const bounds = new Float64Array(tokens * outputs);
        for (let i = 0; i < expected.length; i++) {
          const [t, o] = [Math.floor(i / outputs), i % outputs];
          const scale = fromBfloat16(operands.matrix.scales[o]);
          let weights = 0;
          for (let k = 0; k < inputs; k++) {
            const weight = scale * dense[o * inputs + k];
            expected[i] += weight * operands.x[t * inputs + k];
            weights += Math.abs(weight);
          }
          if (bias) expected[i] += operands.bias[o];
          // Four roundings of a value that is at most 127 scales times the weights, and of the bias.
          const rounding = 4 * EPSILON * (127 * scales[t] * weights + 2);
          bounds[i] = 0.501 * scales[t] * weights + rounding;
        }
        expectClose(y, expected, (i) => bounds[i]);
      }),
      { numRuns: 200 },
    );
  });

  it("are NaN for a token that is not finite, and only for it", () => {
    for (const block of [null, [4, 1], [1, 4]] as const)
      for (const tokens of [1, 3]) {
        const product = { tokens, outputs: 5, inputs: 9, block, density: 0.4, bias: true };
        const operands = operandsOf(product, backend);
        operands.x[4] = Infinity;
        const { y } = run(backend, product, operands);
        expect([...y].map(Number.isNaN)).toEqual([...y].map((_, i) => i < 5));
      }
  });
});

describe.each(VARIANTS)("rows of an 8-bit table (%s)", (_name, backend) => {
  it("are looked up, scaled and added", () => {
    const tables = fc.record({
      rows: fc.integer({ min: 1, max: 9 }),
      width: fc.integer({ min: 1, max: 40 }),
      count: fc.nat(12),
      accumulate: fc.boolean(),
    });
    fc.assert(
      fc.property(tables, ({ rows, width, count, accumulate }) => {
        const table = new Int32Array((rows * rowBytes(width)) / 4);
        const bytes = new Int8Array(table.buffer);
        const stream = openStream(3, rows * width);
        for (let i = 0; i < bytes.length; i++) bytes[i] = Math.floor(nextUnit(stream) * 255) - 127;
        const ids = Int32Array.from({ length: count }, () => Math.floor(nextUnit(stream) * rows));
        const scales = randomFloats(4, rows, 0, 0.1);
        const before = randomFloats(5, count * width);
        const { out } = execute(backend, { table, ids, scales, out: before }, (kernels, v) => {
          kernels.int8GatherRows(v.table, v.scales, v.ids, v.out, width, accumulate);
        });
        const expected = before.map((value, i) => {
          const row = ids[Math.floor(i / width)];
          const found = fround(bytes[row * rowBytes(width) + (i % width)] * scales[row]);
          return accumulate ? value + found : found + 0;
        });
        expect(out).toEqual(expected);
      }),
      { numRuns: 200 },
    );
  });

  it("refuse ids outside the table", () => {
    const arrays = {
      table: new Int32Array(8),
      ids: Int32Array.of(0, 2),
      scales: new Float32Array(2),
    };
    const out = new Float32Array(32);
    expect(() =>
      execute(backend, { ...arrays, out }, (kernels, v) => {
        kernels.int8GatherRows(v.table, v.scales, v.ids, v.out, 16, false);
      }),
    ).toThrow("ids[1]: expected an integer from 0 to 1, got 2");
  });
});
