import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dot, gradientOf } from "./definitions.ts";
import { EPSILON, execute, expectClose, randomFloats, VARIANTS } from "./subjects.ts";

const vectors = fc.record({ seed: fc.nat(), length: fc.nat(41) });
const matrices = fc.record({ seed: fc.nat(), rows: fc.nat(11), columns: fc.nat(21) });
const FACTOR = Math.fround(-0.7);
const SPECIAL = Float32Array.of(0, -0, Infinity, -Infinity, Number.NaN, 1e38, 1e-45);

describe.each(VARIANTS)("elementwise operations (%s)", (_name, backend) => {
  it("adds and multiplies, rounding once, over either operand as well", () => {
    fc.assert(
      fc.property(vectors, ({ seed, length }) => {
        const a = Float32Array.of(...randomFloats(seed, length), ...SPECIAL);
        const b = Float32Array.of(...randomFloats(seed + 1, length), ...SPECIAL.toReversed());
        const sums = a.map((value, i) => value + b[i]);
        const products = a.map((value, i) => value * b[i]);
        expect(execute(backend, { a, b, y: a }, (k, v) => k.add(v.a, v.b, v.y)).y).toEqual(sums);
        expect(execute(backend, { a, b }, (k, v) => k.add(v.a, v.b, v.a)).a).toEqual(sums);
        expect(execute(backend, { a, b }, (k, v) => k.add(v.a, v.b, v.b)).b).toEqual(sums);
        const multiplied = execute(backend, { a, b, y: a }, (k, v) => k.multiply(v.a, v.b, v.y));
        expect(multiplied.y).toEqual(products);
        expect(execute(backend, { a, b }, (k, v) => k.multiply(v.a, v.b, v.a)).a).toEqual(products);
        expect(execute(backend, { a, b }, (k, v) => k.multiply(v.a, v.b, v.b)).b).toEqual(products);
      }),
    );
  });

  it("scales, rounding once, and fills", () => {
    fc.assert(
      fc.property(vectors, ({ seed, length }) => {
        const x = Float32Array.of(...randomFloats(seed, length), ...SPECIAL);
        const expected = x.map((value) => FACTOR * value);
        expect(execute(backend, { x, y: x }, (k, v) => k.scale(v.x, FACTOR, v.y)).y).toEqual(
          expected,
        );
        expect(execute(backend, { x }, (k, v) => k.scale(v.x, FACTOR, v.x)).x).toEqual(expected);
        const { y } = execute(backend, { y: x }, (k, v) => k.fill(v.y, FACTOR));
        expect(y).toEqual(x.map(() => FACTOR));
      }),
    );
  });

  it("adds a multiple, and a multiple of a difference", () => {
    fc.assert(
      fc.property(vectors, ({ seed, length }) => {
        const a = randomFloats(seed, length);
        const b = randomFloats(seed + 1, length);
        const y = randomFloats(seed + 2, length);
        const scaled = execute(backend, { a, y }, (k, v) => k.addScaled(v.a, FACTOR, v.y)).y;
        // Two roundings: of the product and of the sum.
        const expected = Array.from(y, (value, i) => value + FACTOR * a[i]);
        expectClose(scaled, expected, (i) => 2 * EPSILON * (Math.abs(y[i]) + Math.abs(a[i])));
        const { da } = execute(backend, { a, b, da: y }, (k, v) =>
          k.addScaledDifference(v.a, v.b, FACTOR, v.da),
        );
        // Three roundings: of the difference too.
        const sums = Array.from(y, (value, i) => value + FACTOR * (a[i] - b[i]));
        expectClose(da, sums, (i) => 3 * EPSILON * (Math.abs(y[i]) + Math.abs(a[i] - b[i])));
      }),
    );
  });

  it("adds a bias to every row, and sums over rows", () => {
    fc.assert(
      fc.property(matrices, ({ seed, rows, columns }) => {
        const x = randomFloats(seed, rows * columns);
        const bias = randomFloats(seed + 1, columns);
        const { y } = execute(backend, { y: x, bias }, (k, v) =>
          k.addBias(v.y, v.bias, rows, columns),
        );
        expect(y).toEqual(x.map((value, i) => value + bias[i % columns]));
        const { out } = execute(backend, { x, out: bias }, (k, v) =>
          k.addColumnSums(v.x, v.out, rows, columns),
        );
        const sums = Array.from(bias);
        x.forEach((value, i) => {
          sums[i % columns] += value;
        });
        // At most rows + 1 roundings of sums up to 2 (rows + 1).
        expectClose(out, sums, (rows + 1) * EPSILON * 2 * (rows + 1));
      }),
    );
  });

  it("sums columns as the adjoint of adding a bias: <1 bias, x> = <bias, sums of x>", () => {
    fc.assert(
      fc.property(matrices, ({ seed, rows, columns }) => {
        const x = randomFloats(seed, rows * columns);
        const bias = randomFloats(seed + 1, columns);
        const zeros = new Float32Array(rows * columns);
        const { y } = execute(backend, { y: zeros, bias }, (k, v) =>
          k.addBias(v.y, v.bias, rows, columns),
        );
        const { out } = execute(backend, { x, out: bias.map(() => 0) }, (k, v) =>
          k.addColumnSums(v.x, v.out, rows, columns),
        );
        const bound = columns * 2 * rows * EPSILON * 2 * rows;
        expectClose([dot(out, bias)], [dot(y, x)], bound + 1e-12);
      }),
    );
  });
});

describe.each(VARIANTS)("squared difference (%s)", (_name, backend) => {
  function sumOf(a: Float32Array, b: Float32Array): number {
    let sum = 0;
    execute(backend, { a, b }, (k, v) => {
      sum = k.sumSquaredDifference(v.a, v.b);
    });
    return sum;
  }

  const definition = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
    Array.from(a).reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0);

  it("is the sum of squares to a relative 1e-6", () => {
    fc.assert(
      fc.property(vectors, ({ seed, length }) => {
        const a = randomFloats(seed, length, -1000, 1000);
        const b = randomFloats(seed + 1, length, -1000, 1000);
        const expected = definition(a, b);
        expectClose([sumOf(a, b)], [expected], 1e-6 * expected);
      }),
    );
  });

  it("keeps its accuracy over many terms, and passes NaN on", () => {
    const count = 300_001;
    const a = new Float32Array(count).fill(0.1);
    const b = new Float32Array(count);
    const expected = count * Math.fround(0.1) ** 2;
    expectClose([sumOf(a, b)], [expected], 1e-6 * expected);
    a[count - 1] = Number.NaN;
    expect(sumOf(a, b)).toBeNaN();
    expect(sumOf(new Float32Array(0), new Float32Array(0))).toBe(0);
  });

  it("has addScaledDifference as its gradient, as differences say", () => {
    const a = randomFloats(1, 13);
    const b = randomFloats(2, 13);
    const { da } = execute(backend, { a, b, da: new Float32Array(13) }, (k, v) =>
      k.addScaledDifference(v.a, v.b, 2, v.da),
    );
    expectClose(
      da,
      gradientOf((x) => definition(x, b), a),
      8 * 3 * EPSILON + 1e-10,
    );
  });
});
