import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Backend } from "../../src/kernels/backend.ts";
import { scalarKernels } from "../../src/kernels/scalar/kernels.ts";
import type { ProductForm } from "../../src/kernels/table.ts";
import { EPSILON, execute, expectClose, randomFloats, VARIANTS } from "./subjects.ts";

const FORMS: readonly ProductForm[] = ["nn", "nt", "tn"];

/** A product in full: sizes, where each matrix starts, and how much wider than its columns its rows lie. */
interface Product {
  readonly form: ProductForm;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly offset: number;
  readonly padding: number;
  readonly accumulate: boolean;
}

interface Matrices {
  readonly a: Float32Array;
  readonly b: Float32Array;
  readonly c: Float32Array;
}

function layout({ form, m, n, k, padding }: Product) {
  const [aRows, aColumns] = form === "tn" ? [k, m] : [m, k];
  const [bRows, bColumns] = form === "nt" ? [n, k] : [k, n];
  const [aStride, bStride, cStride] = [aColumns + padding, bColumns + 2 * padding, n + padding];
  return { aRows, aStride, bRows, bStride, cStride };
}

function randomMatrices(product: Product): Matrices {
  const { aRows, aStride, bRows, bStride, cStride } = layout(product);
  const { m, offset } = product;
  return {
    a: randomFloats(1, offset + aRows * aStride),
    b: randomFloats(2, 2 * offset + bRows * bStride),
    c: randomFloats(3, offset + m * cStride),
  };
}

function multiply(backend: Backend, product: Product, matrices: Matrices): Float32Array {
  const { form, m, n, k, offset, accumulate } = product;
  const { aStride, bStride, cStride } = layout(product);
  return execute(backend, { ...matrices }, ({ gemm }, { a, b, c }) =>
    gemm(form, m, n, k, a, offset, aStride, b, 2 * offset, bStride, c, offset, cStride, accumulate),
  ).c;
}

/** C in double precision, and the sum of the magnitudes of what each entry is the sum of. */
function definition(product: Product, { a, b, c }: Matrices) {
  const { form, m, n, k, offset, accumulate } = product;
  const { aStride, bStride, cStride } = layout(product);
  const values = Float64Array.from(c);
  const magnitudes = new Float64Array(c.length);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      const at = offset + i * cStride + j;
      let sum = accumulate ? c[at] : 0;
      let magnitude = Math.abs(sum);
      for (let p = 0; p < k; p++) {
        const left = form === "tn" ? a[offset + p * aStride + i] : a[offset + i * aStride + p];
        const column = form === "nt" ? j * bStride + p : p * bStride + j;
        const term = left * b[2 * offset + column];
        sum += term;
        magnitude += Math.abs(term);
      }
      values[at] = sum;
      magnitudes[at] = magnitude;
    }
  }
  return { values, magnitudes };
}

/** Every product of k terms is rounded, and every one of its sums; entries outside of C stay as they are. */
function expectProduct(backend: Backend, product: Product): void {
  const matrices = randomMatrices(product);
  const { values, magnitudes } = definition(product, matrices);
  const roundings = 1.01 * (product.k + 2) * EPSILON;
  const actual = multiply(backend, product, matrices);
  expectClose(actual, values, (i) => roundings * magnitudes[i]);
}

const smallProducts: fc.Arbitrary<Product> = fc.record({
  form: fc.constantFrom(...FORMS),
  m: fc.nat(20),
  n: fc.nat(20),
  k: fc.nat(20),
  offset: fc.nat(5),
  padding: fc.nat(3),
  accumulate: fc.boolean(),
});

/** Sizes at and across the ends of tiles and of blocks. */
const SIZES: readonly (readonly [number, number, number])[] = [
  [120, 512, 16],
  [4, 8, 512],
  [121, 513, 129],
  [13, 17, 513],
  [126, 5, 1030],
  [7, 1029, 3],
  [245, 16, 11],
  [1, 1, 1025],
];

describe.each(VARIANTS)("the matrix product (%s)", (_name, backend) => {
  it("equals its definition for every form, size, offset and stride", () => {
    fc.assert(
      fc.property(smallProducts, (product) => expectProduct(backend, product)),
      { numRuns: 400 },
    );
  });

  it.each(SIZES)("equals its definition across blocks (%i x %i x %i)", (m, n, k) => {
    for (const form of FORMS) {
      for (const accumulate of [false, true])
        expectProduct(backend, { form, m, n, k, offset: 1, padding: 3, accumulate });
    }
  });

  it.each(FORMS)("writes zeros or leaves C alone where k is 0 (%s)", (form) => {
    const product: Product = { form, m: 5, n: 9, k: 0, offset: 2, padding: 1, accumulate: false };
    expectProduct(backend, product);
    expectProduct(backend, { ...product, accumulate: true });
  });

  it.each(FORMS)("touches nothing where m or n is 0 (%s)", (form) => {
    const product: Product = { form, m: 0, n: 9, k: 4, offset: 2, padding: 1, accumulate: false };
    expectProduct(backend, product);
    expectProduct(backend, { ...product, m: 5, n: 0 });
  });

  it.each(FORMS)("gives an entry the same bytes in a smaller product (%s)", (form) => {
    const whole: Product = {
      form,
      m: 123,
      n: 37,
      k: 700,
      offset: 0,
      padding: 0,
      accumulate: false,
    };
    const matrices = randomMatrices(whole);
    const { aStride, bStride } = layout(whole);
    const all = multiply(backend, whole, matrices);
    const [row, column, m, n] = [118, 29, 3, 7];
    const part = execute(backend, { ...matrices, c: new Float32Array(m * n) }, ({ gemm }, v) => {
      const aOffset = form === "tn" ? row : row * aStride;
      const bOffset = form === "nt" ? column * bStride : column;
      gemm(form, m, n, 700, v.a, aOffset, aStride, v.b, bOffset, bStride, v.c, 0, n, false);
    }).c;
    for (let i = 0; i < m; i++) {
      const start = (row + i) * 37 + column;
      expect(part.subarray(i * n, (i + 1) * n)).toEqual(all.subarray(start, start + n));
    }
  });

  it.each(FORMS)("passes NaN and infinity on, to their row or column alone (%s)", (form) => {
    const product: Product = { form, m: 9, n: 11, k: 5, offset: 0, padding: 0, accumulate: false };
    const matrices = randomMatrices(product);
    matrices.a[form === "tn" ? 2 * 9 + 8 : 8 * 5 + 2] = Number.NaN;
    matrices.b[form === "nt" ? 10 * 5 + 3 : 3 * 11 + 10] = Infinity;
    const c = multiply(backend, product, matrices);
    c.forEach((value, i) => {
      const [row, column] = [Math.floor(i / 11), i % 11];
      const kind = row === 8 ? "NaN" : column === 10 ? "infinite" : "finite";
      const actual = Number.isNaN(value) ? "NaN" : Number.isFinite(value) ? "finite" : "infinite";
      expect(actual, `entry ${row}, ${column}`).toBe(kind);
    });
  });
});

const WASM_VARIANTS = VARIANTS.filter(([name]) => name !== "scalar");

describe.each(WASM_VARIANTS)(
  "the matrix product's arguments (%s)",
  (_name, { kernels, memory }) => {
    const region = memory.allocate(12);

    it("refuses matrices that reach beyond their arrays, and writes nothing", () => {
      const { gemm } = kernels;
      const x = memory.float32(region).fill(1);
      expect(() => gemm("nn", 3, 4, 2, x, 0, 2, x, 0, 4, x, 1, 4, false)).toThrow(
        /^c: expected 3 x 4/,
      );
      expect(() => gemm("nn", 3, 4, 2, x, 7, 2, x, 0, 4, x, 0, 4, false)).toThrow(
        /^a: expected 3 x 2/,
      );
      expect(() => gemm("tn", 3, 4, 2, x, 7, 3, x, 0, 4, x, 0, 4, false)).toThrow(
        /^a: expected 2 x 3/,
      );
      expect(() => gemm("nn", 3, 4, 2, x, 0, 2, x, 0, 9, x, 0, 4, false)).toThrow(
        /^b: expected 2 x 4/,
      );
      expect(() => gemm("nt", 3, 4, 2, x, 0, 2, x, -1, 2, x, 0, 4, false)).toThrow(
        /^b: expected 4 x 2/,
      );
      expect(x).toEqual(new Float32Array(12).fill(1));
    });

    it("refuses arrays that are not views on the memory, or no longer", () => {
      const inside = memory.float32(region);
      const outside = new Float32Array(12);
      const call = (a: Float32Array, c: Float32Array) => () =>
        kernels.gemm("nn", 3, 4, 2, a, 0, 2, inside, 0, 4, c, 0, 4, false);
      expect(call(outside, inside)).toThrow(/expected a view on the backend's memory/);
      expect(call(inside, outside)).toThrow(/expected a view on the backend's memory/);
      memory.free(memory.allocate(memory.usage().reserved / 4));
      expect(call(inside, memory.float32(region))).toThrow(/views die when it grows/);
    });
  },
);

describe("the variants of the matrix product", () => {
  it("agree with the scalar one within what rounding explains", () => {
    const [m, n, k] = [65, 43, 300];
    const a = randomFloats(4, m * k);
    const b = randomFloats(5, k * n);
    const scalar = new Float32Array(m * n);
    scalarKernels.gemm("nn", m, n, k, a, 0, k, b, 0, n, scalar, 0, n, false);
    for (const [, backend] of WASM_VARIANTS) {
      const { c } = execute(backend, { a, b, c: new Float32Array(m * n) }, ({ gemm }, v) =>
        gemm("nn", m, n, k, v.a, 0, k, v.b, 0, n, v.c, 0, n, false),
      );
      // Entries are sums of k products of numbers up to 2.
      expectClose(c, scalar, (k + 2) * EPSILON * 4 * k);
    }
  });
});
