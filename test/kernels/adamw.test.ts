import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { scalarKernels } from "../../src/kernels/scalar/kernels.ts";
import type { AdamWConstants } from "../../src/kernels/table.ts";
import { EPSILON, execute, expectClose, randomFloats, VARIANTS } from "./subjects.ts";

const FLAVOURS = ["adamwTorch", "adamwTransformers"] as const;

function constantsAt(step: number, epsilon = 1e-6): AdamWConstants {
  const [beta1, beta2] = [0.9, 0.999];
  return {
    learningRate: 1e-2,
    beta1,
    beta2,
    epsilon,
    weightDecay: 0.1,
    c1: 1 - beta1 ** step,
    c2: 1 - beta2 ** step,
  };
}

interface State {
  readonly p: Float32Array;
  readonly g: Float32Array;
  readonly m: Float32Array;
  readonly v: Float32Array;
}

function randomState(seed: number, length: number): State {
  return {
    p: randomFloats(seed, length),
    g: randomFloats(seed + 1, length),
    m: randomFloats(seed + 2, length),
    v: randomFloats(seed + 3, length, 0.01, 2),
  };
}

describe.each(VARIANTS)("AdamW (%s)", (_name, backend) => {
  it("takes the first step of torch.optim.AdamW", () => {
    // m / c1 = g and v / c2 = g^2, so the step is lr * g / (|g| + eps), after decay of p.
    const state = { p: [1], g: [-3], m: [0], v: [0] };
    const arrays = Object.fromEntries(
      Object.entries(state).map(([name, values]) => [name, Float32Array.from(values)]),
    ) as unknown as State;
    const { p, m, v } = execute(backend, { ...arrays }, (k, a) =>
      k.adamwTorch(a.p, a.g, a.m, a.v, constantsAt(1, 1)),
    );
    expectClose(m, [-0.3], EPSILON);
    expectClose(v, [0.009], 4 * 0.009 * EPSILON);
    expectClose(p, [1 - 1e-3 + (1e-2 * 3) / (3 + 1)], 4 * EPSILON);
  });

  it.each(FLAVOURS)("%s leaves the gradient, or clears it when asked to", (flavour) => {
    const state = randomState(7, 21);
    const updatedWith = (clearGradient: boolean) =>
      execute(backend, { ...state }, (k, a) =>
        k[flavour](a.p, a.g, a.m, a.v, { ...constantsAt(2), clearGradient }),
      );
    const [left, cleared] = [updatedWith(false), updatedWith(true)];
    expect(left.g).toEqual(state.g);
    expect(cleared).toEqual({ ...left, g: new Float32Array(21) });
  });

  it("takes the first step of transformers' AdamW", () => {
    // eps is added to sqrt(v), not to sqrt(v / c2), and decay comes after the step.
    const [p0, g, m, v] = [1, -3, 0, 0].map((value) => Float32Array.of(value));
    const { p } = execute(backend, { p: p0, g, m, v }, (k, a) =>
      k.adamwTransformers(a.p, a.g, a.m, a.v, constantsAt(1, 1)),
    );
    const step = ((1e-2 * Math.sqrt(0.001)) / 0.1) * (-0.3 / (Math.sqrt(0.009) + 1));
    expectClose(p, [(1 - step) * (1 - 1e-3)], 4 * EPSILON);
  });

  it.each(FLAVOURS)(
    "agrees with the scalar kernel over several steps of any length: %s",
    (flavour) => {
      fc.assert(
        fc.property(fc.nat(), fc.nat(37), (seed, length) => {
          const start = randomState(seed, length);
          const expected = { ...randomState(seed, length) };
          const { g } = expected;
          for (let step = 1; step <= 3; step++) {
            scalarKernels[flavour](expected.p, g, expected.m, expected.v, constantsAt(step));
          }
          const actual = execute(backend, { ...start }, (k, a) => {
            for (let step = 1; step <= 3; step++) k[flavour](a.p, a.g, a.m, a.v, constantsAt(step));
          });
          // Each step rounds each number at most six times; v stays above 0.009, so that a step of p is at most
          // 1e-2 / 0.1 * 2 / sqrt(0.009) < 2.2.
          expectClose(actual.m, expected.m, 3 * 6 * EPSILON * 2);
          expectClose(actual.v, expected.v, 3 * 6 * EPSILON * 4);
          expectClose(actual.p, expected.p, 3 * 6 * EPSILON * (2 + 2.2 * 4));
          expect(actual.g).toEqual(start.g);
        }),
      );
    },
  );

  it.each(FLAVOURS)(
    "leaves a parameter without gradient or moments to its decay: %s",
    (flavour) => {
      const zeros = new Float32Array(5);
      const p = Float32Array.of(1, -1, 0, 4, -0);
      const result = execute(backend, { p, g: zeros, m: zeros, v: zeros }, (k, a) =>
        k[flavour](a.p, a.g, a.m, a.v, constantsAt(1)),
      );
      expectClose(
        result.p,
        p.map((x) => x * (1 - 1e-3)),
        4 * 2 * EPSILON,
      );
      expect(result.m).toEqual(zeros);
    },
  );

  it.each(FLAVOURS)(
    "gives stretches without gradient and moments the bytes of any others: %s",
    (flavour) => {
      const rest = fc.constantFrom<readonly (keyof State)[]>(["g", "m", "v"], ["g", "m"], ["g"]);
      const stretches = fc.array(fc.tuple(fc.integer({ min: 1, max: 200 }), rest), {
        minLength: 1,
        maxLength: 5,
      });
      const constants = fc.record({
        epsilon: fc.constantFrom(1e-6, 0),
        weightDecay: fc.constantFrom(0, 0.1),
        clearGradient: fc.boolean(),
      });
      fc.assert(
        fc.property(stretches, constants, fc.constantFrom(0, -0, 1e-30), (parts, own, odd) => {
          const length = parts.reduce((sum, [size]) => sum + size, 0);
          const state = randomState(3, length);
          let start = 0;
          for (const [size, names] of parts) {
            for (const name of names) state[name].fill(0, start, start + size - 1);
            // The last of a stretch may be another zero, or nearly one.
            for (const name of names) state[name][start + size - 1] = odd;
            start += size;
          }
          state.p[0] = -0;
          const settings = { ...constantsAt(2), ...own };
          const whole = execute(backend, { ...state }, (k, a) =>
            k[flavour](a.p, a.g, a.m, a.v, settings),
          );
          const pieces = execute(backend, { ...state }, (k, a) => {
            for (let at = 0; at < length; at += 7) {
              const piece = (values: Float32Array) => values.subarray(at, at + 7);
              k[flavour](piece(a.p), piece(a.g), piece(a.m), piece(a.v), settings);
            }
          });
          expect(bitsOf(whole)).toEqual(bitsOf(pieces));
        }),
        { numRuns: 200 },
      );
    },
  );
});

/** NaN and the sign of zero count. */
function bitsOf(state: State): Readonly<Record<string, Uint32Array>> {
  return Object.fromEntries(
    Object.entries({ ...state } as Readonly<Record<string, Float32Array>>).map(([name, values]) => [
      name,
      new Uint32Array(values.slice().buffer),
    ]),
  );
}
