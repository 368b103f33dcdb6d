/** Products with blocks of one to sixteen outputs, all of which have one input. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nextUnit, openStream } from "../../src/core/random.ts";
import type { Backend } from "../../src/kernels/backend.ts";
import { BLOCK_HEIGHTS, type BlockHeight, workingSpace } from "../../src/kernels/block-sparse.ts";
import { EPSILON, execute, expectClose, randomFloats, VARIANTS } from "./subjects.ts";

interface Product {
  readonly height: BlockHeight;
  readonly tokens: number;
  readonly blockRows: number;
  readonly inputs: number;
  readonly density: number;
  readonly bias: boolean;
}

/** Of every height as many outputs as some groups of sixteen have, and some that are left over. */
const products: fc.Arbitrary<Product> = fc.constantFrom(...BLOCK_HEIGHTS).chain((height) =>
  fc.record({
    height: fc.constant(height),
    tokens: fc.nat(40),
    blockRows: fc.integer({ min: 1, max: Math.ceil(40 / height) }),
    inputs: fc.integer({ min: 1, max: 19 }),
    density: fc.constantFrom(0, 0.1, 0.4, 1),
    bias: fc.boolean(),
  }),
);

function operandsOf({ height, tokens, blockRows, inputs, density }: Product) {
  const stream = openStream(2, tokens + inputs);
  const starts = [0];
  const columns: number[] = [];
  for (let row = 0; row < blockRows; row++) {
    for (let input = 0; input < inputs; input++)
      if (nextUnit(stream) < density) columns.push(input);
    starts.push(columns.length);
  }
  const outputs = height * blockRows;
  return {
    x: randomFloats(2, tokens * inputs),
    bias: randomFloats(5, outputs),
    starts: Int32Array.from(starts),
    columns: Int32Array.from(columns),
    values: randomFloats(3, height * columns.length),
    y: randomFloats(6, tokens * outputs),
    tile: randomFloats(9, workingSpace(height, inputs)),
  };
}

/** Runs the product, its tokens divided at `cuts`. */
function run(backend: Backend, product: Product, cuts: readonly number[] = []): Float32Array {
  const { height, tokens, blockRows, inputs, bias } = product;
  const { y } = execute(backend, operandsOf(product), (kernels, v) => {
    const { starts, columns, values } = v;
    const matrix = { outputs: height * blockRows, inputs, height, starts, columns, values };
    let first = 0;
    for (const end of [...cuts.map((cut) => Math.floor(cut * tokens)), tokens]) {
      kernels.blockSparseForward(v.x, matrix, bias ? v.bias : null, v.y, first, end, v.tile);
      first = end;
    }
  });
  return y;
}

describe.each(VARIANTS)("products with blocks of any height (%s)", (_name, backend) => {
  it("equal their definition", () => {
    fc.assert(
      fc.property(products, (product) => {
        const { height, tokens, blockRows, inputs, bias } = product;
        const operands = operandsOf(product);
        const outputs = height * blockRows;
        const expected = new Float64Array(tokens * outputs);
        const magnitudes = new Float64Array(tokens * outputs);
        const add = (at: number, term: number): void => {
          expected[at] += term;
          magnitudes[at] += Math.abs(term);
        };
        for (let t = 0; t < tokens; t++) {
          for (let o = 0; o < outputs; o++) {
            const row = Math.floor(o / height);
            for (let b = operands.starts[row]; b < operands.starts[row + 1]; b++) {
              const x = operands.x[t * inputs + operands.columns[b]];
              add(t * outputs + o, operands.values[b * height + (o % height)] * x);
            }
            if (bias) add(t * outputs + o, operands.bias[o]);
          }
        }
        const y = run(backend, product);
        expectClose(y, expected, (i) => 1.01 * (inputs + 2) * EPSILON * magnitudes[i]);
      }),
      { numRuns: 400 },
    );
  });

  it("give the same bytes however the tokens are divided", () => {
    const cut = fc.float({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(products, fc.array(cut, { maxLength: 3 }), (product, unordered) => {
        const cuts = [...unordered].sort((a, b) => a - b);
        expect(run(backend, product, cuts)).toEqual(run(backend, product));
      }),
      { numRuns: 200 },
    );
  });
});
