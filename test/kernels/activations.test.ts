import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { erfc } from "../../src/kernels/scalar/erfc.ts";
import { scalarKernels } from "../../src/kernels/scalar/kernels.ts";
import { erf, gelu, geluNew, gradientOf, silu } from "./definitions.ts";
import { EPSILON, execute, expectClose, randomFloats, VARIANTS } from "./subjects.ts";

/** Every 1/512 from -16 to 16: an odd number, so that there is a rest after whole vectors. */
const GRID = Float32Array.from({ length: 16 * 1024 + 1 }, (_, i) => (i - 8 * 1024) / 512);
const lengths = fc.integer({ min: 0, max: 41 });
const seeds = fc.nat();

describe("erfc", () => {
  it("is 1 - erf to the last bits", () => {
    for (const x of GRID) {
      if (Math.abs(x) <= 6) expect(Math.abs(erfc(x) - (1 - erf(x)))).toBeLessThan(3e-15);
    }
  });

  it("keeps its relative accuracy in the tail", () => {
    // Values of Abramowitz and Stegun's table 7.3, to more digits.
    expect(erfc(5) / 1.5374597944280349e-12).toBeCloseTo(1, 13);
    expect(erfc(10) / 2.088487583762545e-45).toBeCloseTo(1, 13);
  });

  it("has its limits at infinity and passes NaN on", () => {
    expect([Infinity, -Infinity, Number.NaN].map(erfc)).toEqual([0, 2, Number.NaN]);
  });
});

describe.each(VARIANTS)("activations (%s)", (_name, backend) => {
  const ones = new Float32Array(GRID.length).fill(1);

  it("computes the exact GELU within 2e-7 max(1, |x|)", () => {
    const { y } = execute(backend, { x: GRID, y: ones }, (k, a) => k.geluForward(a.x, a.y));
    expectClose(y, Array.from(GRID, gelu), (i) => 2e-7 * Math.max(1, Math.abs(GRID[i])));
  });

  it("computes the derivative of GELU as differences do, within 4e-7", () => {
    const { dx } = execute(backend, { x: GRID, dy: ones, dx: ones }, (k, a) =>
      k.geluBackward(a.x, a.dy, a.dx),
    );
    // Differences err by 1e-8 (step^2 / 6) and 1e-11, the kernel by 3e-7.
    const expected = Array.from(GRID, (x) => gradientOf(([v]) => gelu(v), [x])[0]);
    expectClose(dx, expected, 4e-7);
  });

  it.each([
    ["geluNew", geluNew],
    ["silu", silu],
  ] as const)("computes %s within 2e-7 max(1, |x|), and its derivative", (name, definition) => {
    const { y } = execute(backend, { x: GRID, y: ones }, (k, a) => k[`${name}Forward`](a.x, a.y));
    expectClose(y, Array.from(GRID, definition), (i) => 2e-7 * Math.max(1, Math.abs(GRID[i])));
    const { dx } = execute(backend, { x: GRID, dy: ones, dx: ones }, (k, a) =>
      k[`${name}Backward`](a.x, a.dy, a.dx),
    );
    const expected = Array.from(GRID, (x) => gradientOf(([v]) => definition(v), [x])[0]);
    expectClose(dx, expected, 4e-7);
  });

  it("keeps zeros, infinities and NaN in geluNew and silu", () => {
    const x = Float32Array.of(0, -0, 1e-38, -1e-38, 1e30, -1e30, Infinity, -Infinity, Number.NaN);
    const one = new Float32Array(x.length).fill(1);
    for (const name of ["geluNew", "silu"] as const) {
      const { y } = execute(backend, { x, y: one }, (k, a) => k[`${name}Forward`](a.x, a.y));
      expectClose(
        y,
        Float32Array.of(0, -0, 5e-39, -5e-39, 1e30, 0, Infinity, 0, Number.NaN),
        1e-30,
      );
      const { dx } = execute(backend, { x, dy: one, dx: one }, (k, a) =>
        k[`${name}Backward`](a.x, a.dy, a.dx),
      );
      expectClose(dx, [0.5, 0.5, 0.5, 0.5, 1, 0, 1, 0, Number.NaN], 3e-7);
    }
  });

  it("computes tanh within 2e-7 relative", () => {
    const { y } = execute(backend, { x: GRID, y: ones }, (k, a) => k.tanhForward(a.x, a.y));
    expectClose(y, Array.from(GRID, Math.tanh), (i) => 2e-7 * Math.abs(Math.tanh(GRID[i])));
  });

  it("computes the derivative of tanh as differences do", () => {
    const y = GRID.map(Math.tanh);
    const { dx } = execute(backend, { y, dy: ones, dx: ones }, (k, a) =>
      k.tanhBackward(a.y, a.dy, a.dx),
    );
    // Two roundings of numbers up to 1, twice that of y within y^2, and the differences' 1e-8.
    const expected = Array.from(GRID, (x) => gradientOf(([v]) => Math.tanh(v), [x])[0]);
    expectClose(dx, expected, 4 * EPSILON + 1e-8);
  });

  it("computes the derivative of the rectifier as differences do, away from its kink", () => {
    const x = GRID.filter((value) => value !== 0);
    const y = x.map((value) => Math.max(value, 0));
    const { dx } = execute(backend, { y, dy: y.map(() => 1), dx: y }, (k, a) =>
      k.reluBackward(a.y, a.dy, a.dx),
    );
    const expected = Array.from(x, (value) => gradientOf(([v]) => Math.max(v, 0), [value])[0]);
    expectClose(dx, expected, 1e-10);
  });

  it("rectifies, and lets gradients through where the output is positive", () => {
    const x = Float32Array.of(-1, -0, 0, 2, Number.NaN, Infinity, -Infinity);
    const dy = Float32Array.of(1, 2, 3, 4, 5, 6, 7);
    const { y } = execute(backend, { x, y: dy }, (k, a) => k.reluForward(a.x, a.y));
    expect(y).toEqual(Float32Array.of(0, 0, 0, 2, Number.NaN, Infinity, 0));
    const { dx } = execute(backend, { y, dy, dx: dy }, (k, a) => k.reluBackward(a.y, a.dy, a.dx));
    expect(dx).toEqual(Float32Array.of(0, 0, 0, 4, 0, 6, 0));
  });

  it("keeps zeros, large magnitudes, infinities and NaN", () => {
    const x = Float32Array.of(0, -0, 1e-38, -1e-38, 1e30, -1e30, Infinity, -Infinity, Number.NaN);
    const one = new Float32Array(x.length).fill(1);
    const forward = execute(backend, { x, y: one }, (k, a) => k.geluForward(a.x, a.y)).y;
    expectClose(
      forward,
      Float32Array.of(0, -0, 5e-39, -5e-39, 1e30, 0, Infinity, 0, Number.NaN),
      1e-32,
    );
    const backward = execute(backend, { x, dy: one, dx: one }, (k, a) =>
      k.geluBackward(a.x, a.dy, a.dx),
    ).dx;
    expectClose(backward, [0.5, 0.5, 0.5, 0.5, 1, 0, 1, 0, Number.NaN], 3e-7);
    const tanh = execute(backend, { x, y: one }, (k, a) => k.tanhForward(a.x, a.y)).y;
    expectClose(tanh, Float32Array.of(0, -0, 1e-38, -1e-38, 1, -1, 1, -1, Number.NaN), 0);
    expect(Object.is(tanh[1], -0)).toBe(true);
  });

  it("agrees with the scalar kernels for any length, in place as well", () => {
    fc.assert(
      fc.property(seeds, lengths, (seed, length) => {
        const x = randomFloats(seed, length, -9, 9);
        const dy = randomFloats(seed + 1, length);
        const out = new Float32Array(length);
        const dx = new Float32Array(length);

        scalarKernels.geluForward(x, out);
        const bound = (i: number): number => 2e-7 * Math.max(1, Math.abs(x[i]));
        const gelus = execute(backend, { x, y: dy }, (k, a) => k.geluForward(a.x, a.y));
        expectClose(gelus.y, out, bound);

        scalarKernels.geluBackward(x, dy, dx);
        const gradients = execute(backend, { x, dy }, (k, a) => k.geluBackward(a.x, a.dy, a.dy));
        expectClose(gradients.dy, dx, (i) => 3e-7 * Math.abs(dy[i]));

        for (const name of ["geluNew", "silu"] as const) {
          scalarKernels[`${name}Forward`](x, out);
          const values = execute(backend, { x, y: dy }, (k, a) => k[`${name}Forward`](a.x, a.y));
          expectClose(values.y, out, bound);
          scalarKernels[`${name}Backward`](x, dy, dx);
          const inPlace = execute(backend, { x, dy }, (k, a) =>
            k[`${name}Backward`](a.x, a.dy, a.dy),
          );
          expectClose(inPlace.dy, dx, (i) => 4e-7 * Math.abs(dy[i]));
        }

        scalarKernels.tanhForward(x, out);
        const tanhs = execute(backend, { x, y: dy }, (k, a) => k.tanhForward(a.x, a.y));
        expectClose(tanhs.y, out, 3e-7);

        // Three roundings of numbers up to |dy|.
        scalarKernels.tanhBackward(out, dy, dx);
        const slopes = execute(backend, { y: out, dy }, (k, a) => k.tanhBackward(a.y, a.dy, a.dy));
        expectClose(slopes.dy, dx, (i) => 3 * EPSILON * Math.abs(dy[i]));

        scalarKernels.reluForward(x, out);
        const rectified = execute(backend, { x, y: dy }, (k, a) => k.reluForward(a.x, a.y));
        expect(rectified.y).toEqual(out);
        scalarKernels.reluBackward(out, dy, dx);
        const passed = execute(backend, { y: out, dy }, (k, a) => k.reluBackward(a.y, a.dy, a.dy));
        expect(passed.dy).toEqual(dx);
      }),
    );
  });
});
