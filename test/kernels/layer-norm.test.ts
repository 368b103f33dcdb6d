import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Backend } from "../../src/kernels/backend.ts";
import { scalarKernels } from "../../src/kernels/scalar/kernels.ts";
import { dot, gradientOf, layerNorm } from "./definitions.ts";
import { EPSILON, execute, expectClose, largest, randomFloats, VARIANTS } from "./subjects.ts";

const EPS = 1e-5;

interface Input {
  readonly x: Float32Array;
  readonly residual: Float32Array | null;
  readonly gamma: Float32Array;
  readonly beta: Float32Array;
  readonly rows: number;
  readonly columns: number;
}

function randomInput(seed: number, rows: number, columns: number, hasResidual: boolean): Input {
  const size = rows * columns;
  const x = randomFloats(seed, size);
  const residual = hasResidual ? randomFloats(seed + 1, size) : null;
  const gamma = randomFloats(seed + 2, columns, 0.5, 1.5);
  return { x, residual, gamma, beta: randomFloats(seed + 3, columns), rows, columns };
}

interface Output {
  readonly y: Float32Array;
  readonly xhat: Float32Array;
  readonly rstd: Float32Array;
}

function forward(backend: Backend, input: Input): Output {
  const { x, residual, gamma, beta, rows, columns } = input;
  const arrays = {
    x,
    residual: residual ?? x,
    gamma,
    beta,
    y: x,
    xhat: x,
    rstd: new Float32Array(rows),
  };
  return execute(backend, arrays, (k, a) =>
    k.layerNormForward(
      a.x,
      residual === null ? null : a.residual,
      a.gamma,
      a.beta,
      EPS,
      a.y,
      a.xhat,
      a.rstd,
      rows,
      columns,
    ),
  );
}

function scalarForward({ x, residual, gamma, beta, rows, columns }: Input): Output {
  const output = { y: x.slice(), xhat: x.slice(), rstd: new Float32Array(rows) };
  const { y, xhat, rstd } = output;
  scalarKernels.layerNormForward(x, residual, gamma, beta, EPS, y, xhat, rstd, rows, columns);
  return output;
}

const shapes = fc.record({
  seed: fc.nat(),
  rows: fc.nat(4),
  columns: fc.integer({ min: 1, max: 37 }),
  hasResidual: fc.boolean(),
});

describe.each(VARIANTS)("layer norm (%s)", (_name, backend) => {
  it("normalises the sum with the residual as its definition says", () => {
    const input = randomInput(1, 1, 11, true);
    const s = Array.from(input.x, (value, i) => value + (input.residual?.[i] ?? 0));
    const expected = layerNorm(s, Array.from(input.gamma), Array.from(input.beta), EPS);
    expectClose(forward(backend, input).y, expected, 4 * (11 + 8) * EPSILON);
  });

  it("agrees with the scalar kernel for any shape", () => {
    fc.assert(
      fc.property(shapes, ({ seed, rows, columns, hasResidual }) => {
        const input = randomInput(seed, rows, columns, hasResidual);
        const expected = scalarForward(input);
        const actual = forward(backend, input);
        // s and its mean err by up to n + 4 roundings of numbers up to 4, their difference by one of up to 8;
        // the variance by twice that for each deviation, and by the roundings of its own sum.
        const roundings = columns + 4;
        const centring = (4 * (1 + roundings) + 8) * EPSILON;
        const relative = (r: number): number => {
          const shift = centring * expected.rstd[r];
          return shift * (1 + shift) + roundings * EPSILON;
        };
        const error = (i: number): number => {
          const r = Math.floor(i / columns);
          return centring * expected.rstd[r] + Math.abs(expected.xhat[i]) * relative(r);
        };
        expectClose(actual.rstd, expected.rstd, (r) => relative(r) * expected.rstd[r]);
        expectClose(actual.xhat, expected.xhat, error);
        const output = (i: number): number => 1.5 * Math.abs(expected.xhat[i]) + 2;
        expectClose(actual.y, expected.y, (i) => 1.5 * error(i) + 2 * EPSILON * output(i));
      }),
    );
  });

  it("may write xhat over x", () => {
    fc.assert(
      fc.property(shapes, ({ seed, rows, columns, hasResidual }) => {
        const input = randomInput(seed, rows, columns, hasResidual);
        const { x, residual, gamma, beta } = input;
        const arrays = {
          x,
          residual: residual ?? x,
          gamma,
          beta,
          y: x,
          rstd: new Float32Array(rows),
        };
        const result = execute(backend, arrays, (k, a) =>
          k.layerNormForward(
            a.x,
            residual === null ? null : a.residual,
            a.gamma,
            a.beta,
            EPS,
            a.y,
            a.x,
            a.rstd,
            rows,
            columns,
          ),
        );
        const separate = forward(backend, input);
        expect(result.x).toEqual(separate.xhat);
        expect(result.y).toEqual(separate.y);
      }),
    );
  });

  it("gives beta for a constant row and NaN only for a row that has one", () => {
    const x = Float32Array.of(2, 2, 2, 2, 2, 1, 2, Number.NaN, 4, 5);
    const gamma = new Float32Array(5).fill(3);
    const beta = Float32Array.of(1, 2, 3, 4, 5);
    const { y } = forward(backend, { x, residual: null, gamma, beta, rows: 2, columns: 5 });
    expect(y.subarray(0, 5)).toEqual(beta);
    expect(y.subarray(5)).toEqual(new Float32Array(5).fill(Number.NaN));
  });

  it("has the gradients that differences give", () => {
    const columns = 9;
    const input = randomInput(7, 1, columns, false);
    const { xhat, rstd } = scalarForward(input);
    const [x, gamma, beta] = [input.x, input.gamma, input.beta].map((a) => Array.from(a));
    const dy = randomFloats(8, columns);
    const zeros = new Float32Array(columns);
    const arrays = { dy, xhat, rstd, gamma: input.gamma, dx: zeros, dGamma: zeros, dBeta: zeros };
    const { dx, dGamma, dBeta } = execute(backend, arrays, (k, a) =>
      k.layerNormBackward(a.dy, a.xhat, a.rstd, a.gamma, a.dx, a.dGamma, a.dBeta, 1, columns),
    );
    // Terms up to 2 * 1.5 * 3 * rstd, about n + 8 roundings of them; differences to 1e-7.
    const bound = 9 * rstd[0] * (columns + 8) * EPSILON + 1e-7;
    expectClose(
      dx,
      gradientOf((v) => dot(layerNorm(v, gamma, beta, EPS), dy), x),
      bound,
    );
    expectClose(
      dGamma,
      gradientOf((v) => dot(layerNorm(x, v, beta, EPS), dy), gamma),
      bound,
    );
    expectClose(
      dBeta,
      gradientOf((v) => dot(layerNorm(x, gamma, v, EPS), dy), beta),
      bound,
    );
  });

  it("agrees with the scalar gradients for any shape, adds to those of gamma and beta, in place too", () => {
    fc.assert(
      fc.property(shapes, ({ seed, rows, columns }) => {
        const gamma = randomFloats(seed, columns);
        const dy = randomFloats(seed + 1, rows * columns);
        const xhat = randomFloats(seed + 2, rows * columns);
        const rstd = randomFloats(seed + 3, rows, 0.1, 3);
        const dGamma = randomFloats(seed + 4, columns);
        const dBeta = randomFloats(seed + 5, columns);
        const expected = { dx: dy.slice(), dGamma: dGamma.slice(), dBeta: dBeta.slice() };
        scalarKernels.layerNormBackward(
          dy,
          xhat,
          rstd,
          gamma,
          expected.dx,
          expected.dGamma,
          expected.dBeta,
          rows,
          columns,
        );
        const actual = execute(backend, { dy, xhat, rstd, gamma, dGamma, dBeta }, (k, a) =>
          k.layerNormBackward(
            a.dy,
            a.xhat,
            a.rstd,
            a.gamma,
            a.dy,
            a.dGamma,
            a.dBeta,
            rows,
            columns,
          ),
        );
        // Terms: dy gamma <= 4, dy gamma xhat <= 8, times xhat <= 16, times rstd.
        const row = (columns + 8) * EPSILON * (4 + 4 + 16);
        expectClose(actual.dy, expected.dx, (i) => row * rstd[Math.floor(i / columns)]);
        const column = (rows + 2) * EPSILON * (2 + rows * 4);
        expectClose(actual.dGamma, expected.dGamma, column);
        expectClose(actual.dBeta, expected.dBeta, column);
        expect(largest(actual.dBeta)).toBeLessThanOrEqual(2 * (rows + 1));
      }),
    );
  });
});
