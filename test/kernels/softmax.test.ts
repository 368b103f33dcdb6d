import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Backend } from "../../src/kernels/backend.ts";
import { scalarKernels } from "../../src/kernels/scalar/kernels.ts";
import type { Kernels } from "../../src/kernels/table.ts";
import { dot, gradientOf, softmax } from "./definitions.ts";
import { EPSILON, execute, expectClose, largest, randomFloats, VARIANTS } from "./subjects.ts";

/** What the keys to hide get: the lowest float32, as in transformers. */
const HIDDEN = -3.4028234663852886e38;

interface Attention {
  readonly scores: Float32Array;
  readonly keyBias: Float32Array;
  readonly scale: number;
  readonly batch: number;
  readonly heads: number;
  readonly positions: number;
}

/** Every example's call of the kernel. */
function softmaxInto(
  kernels: Kernels,
  { scores, keyBias, scale, batch, heads, positions }: Attention,
  p: Float32Array,
): void {
  const rows = heads * positions;
  for (let example = 0; example < batch; example++) {
    const [offset, biasOffset] = [example * rows * positions, example * positions];
    kernels.attentionSoftmaxForward(scores, keyBias, scale, p, offset, biasOffset, rows, positions);
  }
}

function forward(backend: Backend, attention: Attention): Float32Array {
  const { scores, keyBias } = attention;
  const p = new Float32Array(scores.length);
  return execute(backend, { scores, keyBias, p }, (k, a) =>
    softmaxInto(k, { ...attention, ...a }, a.p),
  ).p;
}

/** Shares of the first `length` keys of one row, `padding` hidden ones behind them. */
function paddedRow(backend: Backend, seed: number, length: number, padding: number): Float32Array {
  const columns = length + padding;
  const scores = new Float32Array(columns).fill(3);
  scores.set(randomFloats(seed, length, -30, 30));
  const keyBias = new Float32Array(columns).fill(HIDDEN, length);
  const p = new Float32Array(columns);
  const result = execute(backend, { scores, keyBias, p }, (k, a) =>
    k.attentionSoftmaxForward(a.scores, a.keyBias, 0.25, a.p, 0, 0, 1, columns),
  );
  expect(result.p.subarray(length).every((share) => share === 0)).toBe(true);
  return result.p.slice(0, length);
}

/** Scores in [-30, 30), with about a quarter of the keys hidden. */
function randomAttention(seed: number, batch: number, heads: number, positions: number): Attention {
  const scores = randomFloats(seed, batch * heads * positions * positions, -30, 30);
  const keyBias = randomFloats(seed + 1, batch * positions).map((x) => (x > 1 ? HIDDEN : 0));
  return { scores, keyBias, scale: Math.fround(0.37), batch, heads, positions };
}

/**
 * Relative error of a probability: the logits (up to L) are rounded twice and subtracted, exp errs by 2e-7
 * above and below the fraction, the sum of n terms by n roundings at most. Below the smallest normal
 * number a probability may be 0.
 */
function boundOf(probabilities: Float32Array, logits: number, columns: number) {
  const relative = 2 * 2e-7 + (3 * logits + columns + 3) * EPSILON;
  return (i: number): number => relative * probabilities[i] + 2 ** -126;
}

describe.each(VARIANTS)("attention softmax (%s)", (_name, backend) => {
  it("is softmax(scores * scale + bias of the key) for any shape", () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.nat(2),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 21 }),
        (seed, batch, heads, positions) => {
          const attention = randomAttention(seed, batch, heads, positions);
          const { scores, keyBias, scale } = attention;
          const expected = new Float32Array(scores.length);
          for (let start = 0; start < scores.length; start += positions) {
            const example = Math.floor(start / (heads * positions * positions));
            const logits = Array.from({ length: positions }, (_, c) =>
              Math.fround(scores[start + c] * scale + keyBias[example * positions + c]),
            );
            expected.set(softmax(logits), start);
          }
          const bound = boundOf(expected, 30 * scale, positions);
          expectClose(forward(backend, attention), expected, bound);
        },
      ),
    );
  });

  it("agrees with the scalar kernel on long rows, in place as well", () => {
    for (const positions of [64, 127, 128, 130]) {
      const attention = randomAttention(positions, 2, 2, positions);
      const { scores, keyBias, scale } = attention;
      const p = new Float32Array(scores.length);
      softmaxInto(scalarKernels, attention, p);
      const inPlace = execute(backend, { scores, keyBias }, (k, a) =>
        softmaxInto(k, { ...attention, ...a }, a.scores),
      );
      expectClose(inPlace.scores, p, boundOf(p, 30 * scale, positions));
      expect(forward(backend, attention)).toEqual(inPlace.scores);
    }
  });

  it("gives a hidden key no share at all, and a row whose keys are all hidden equal shares", () => {
    const positions = 5;
    const scores = randomFloats(3, 2 * positions * positions, -50, 50);
    const keyBias = Float32Array.of(0, HIDDEN, 0, 0, HIDDEN, ...new Array(5).fill(HIDDEN));
    const p = forward(backend, { scores, keyBias, scale: 1, batch: 2, heads: 1, positions });
    for (let row = 0; row < positions; row++) {
      expect(p[row * positions + 1]).toBe(0);
      expect(p[row * positions + 4]).toBe(0);
    }
    expectClose(p.subarray(25), new Float32Array(25).fill(0.2), 4 * EPSILON);
  });

  it("gives the same bytes however many hidden keys come after the others", () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.integer({ min: 1, max: 40 }),
        fc.nat(40),
        (seed, length, padding) => {
          expect(paddedRow(backend, seed, length, padding)).toEqual(
            paddedRow(backend, seed, length, 0),
          );
        },
      ),
    );
    // A part of a vector was once added to the same sum as the whole one before it.
    expect(paddedRow(backend, 933217369, 23, 1)).toEqual(paddedRow(backend, 933217369, 23, 0));
  });

  it("keeps NaN in its row and copes with scores that overflow exp", () => {
    const scores = Float32Array.of(Number.NaN, 1, 2, 1e30, 1e30, -1e30, 200, -200, 0);
    const keyBias = new Float32Array(3);
    const p = forward(backend, { scores, keyBias, scale: 1, batch: 1, heads: 1, positions: 3 });
    expectClose(p, [Number.NaN, Number.NaN, Number.NaN, 0.5, 0.5, 0, 1, 0, 0], EPSILON);
  });

  it("takes exp within a relative 2e-7 as far as its result is a normal number", () => {
    // Rows of two logits, 0 and x: the share of x is exp(x) / (1 + exp(x)), with three more roundings.
    const heads = 4096;
    const scores = new Float32Array(4 * heads);
    for (let row = 0; row < 2 * heads; row++) scores[2 * row + 1] = (-87 * row) / (2 * heads);
    const keyBias = new Float32Array(2);
    const p = forward(backend, { scores, keyBias, scale: 1, batch: 1, heads, positions: 2 });
    const expected = Array.from(scores, (_, i) => softmax([0, scores[i | 1]])[i & 1]);
    expectClose(p, expected, (i) => (2e-7 + 3 * EPSILON) * expected[i]);
  });

  it("sums to 1 and does not change when a row's scores are shifted", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 40 }), (seed, positions) => {
        const shape = { scale: 0.5, batch: 1, heads: 1, positions };
        const scores = randomFloats(seed, positions * positions, -4, 4);
        const keyBias = new Float32Array(positions);
        const p = forward(backend, { scores, keyBias, ...shape });
        for (let start = 0; start < p.length; start += positions) {
          const sum = p.subarray(start, start + positions).reduce((a, b) => a + b, 0);
          expect(Math.abs(sum - 1)).toBeLessThan((positions + 4) * EPSILON);
        }
        const shifted = forward(backend, { scores: scores.map((x) => x + 64), keyBias, ...shape });
        // x + 64 is rounded to a multiple of 2^-17, and so are the logits.
        expectClose(shifted, p, (i) => boundOf(p, 36, positions)(i) + 2 ** -16 * p[i]);
      }),
    );
  });

  it("has the gradient that differences give", () => {
    const columns = 7;
    const scale = 0.25;
    const scores = randomFloats(5, columns);
    const dP = randomFloats(6, columns);
    const loss = (x: readonly number[]): number => dot(softmax(x.map((s) => s * scale)), dP);
    const p = Float32Array.from(softmax(Array.from(scores, (s) => s * scale)));
    const { dScores } = execute(backend, { p, dP, dScores: p }, (k, a) =>
      k.attentionSoftmaxBackward(a.p, a.dP, scale, a.dScores, 0, 1, columns),
    );
    // n + 5 roundings of terms up to 2 scale; differences to 1e-9.
    expectClose(dScores, gradientOf(loss, scores), 2 * scale * (columns + 5) * EPSILON + 1e-9);
  });

  it("agrees with the scalar gradient for any shape, in place as well", () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(4), fc.integer({ min: 1, max: 37 }), (seed, rows, columns) => {
        const p = randomFloats(seed, rows * columns, 0, 2 / columns);
        const dP = randomFloats(seed + 1, rows * columns);
        const expected = new Float32Array(p.length);
        scalarKernels.attentionSoftmaxBackward(p, dP, 0.3, expected, 0, rows, columns);
        const bound = (columns + 6) * EPSILON * largest(p) * 0.3 * (2 + 2 * 2);
        const separate = execute(backend, { p, dP, dScores: p }, (k, a) =>
          k.attentionSoftmaxBackward(a.p, a.dP, 0.3, a.dScores, 0, rows, columns),
        );
        expectClose(separate.dScores, expected, bound);
        const inPlace = execute(backend, { p, dP }, (k, a) =>
          k.attentionSoftmaxBackward(a.p, a.dP, 0.3, a.dP, 0, rows, columns),
        );
        expect(inPlace.dP).toEqual(separate.dScores);
      }),
    );
  });
});

describe.each(VARIANTS)("softmax of class logits (%s)", (_name, backend) => {
  it("is the softmax of each scaled row, in place as well", () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(5), fc.integer({ min: 1, max: 9 }), (seed, rows, columns) => {
        const logits = randomFloats(seed, rows * columns, -20, 20);
        const expected = new Float32Array(logits.length);
        for (let start = 0; start < logits.length; start += columns) {
          const row = Array.from(logits.subarray(start, start + columns), (x) => x * 0.5);
          expected.set(softmax(row), start);
        }
        const { p } = execute(backend, { logits, p: logits }, (k, a) =>
          k.softmaxRows(a.logits, 0.5, a.p, rows, columns),
        );
        expectClose(p, expected, boundOf(expected, 10, columns));
        const inPlace = execute(backend, { logits }, (k, a) =>
          k.softmaxRows(a.logits, 0.5, a.logits, rows, columns),
        );
        expect(inPlace.logits).toEqual(p);
      }),
    );
  });
});
