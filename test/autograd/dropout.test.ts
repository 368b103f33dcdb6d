import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { attentionProbabilities } from "../../src/autograd/attention.ts";
import { dropout } from "../../src/autograd/dropout.ts";
import { packedSequences } from "../../src/autograd/sequences.ts";
import { createTape, input, releaseTape, type TapeOptions } from "../../src/autograd/tape.ts";
import { createBackend } from "../../src/kernels/backend.ts";
import type { Shape } from "../../src/tensor/shape.ts";
import { elementCount } from "../../src/tensor/shape.ts";

const backend = createBackend({ variant: "scalar" });
const RATE = 0.25;

/** Dropout of ones by the `operation`-th dropout of a tape. */
function mask(shape: Shape, options: Partial<TapeOptions> = {}, operation = 0): Float32Array {
  const tape = createTape(backend, { training: true, seed: 1, step: 2, ...options });
  const ones = input(tape, shape, new Float32Array(elementCount(shape)).fill(1));
  for (let i = 0; i < operation; i++) dropout(tape, ones, RATE);
  const result = dropout(tape, ones, RATE).value.data.slice();
  releaseTape(tape);
  return result;
}

/** Attention probabilities after dropout where every score is equal, scaled to kept = 1. */
function attentionMask(batch: number, heads: number, positions: number): Float32Array {
  const tape = createTape(backend, { training: true, seed: 1, step: 2 });
  const rows = input(tape, [batch, positions, heads], new Float32Array(batch * positions * heads));
  const keyBias = input(tape, [batch, positions], new Float32Array(batch * positions));
  const options = { heads, keyBias, dropout: RATE, maxPositions: 40 };
  const result = attentionProbabilities(tape, rows, rows, options).value.data.map((p) =>
    p > 0 ? 1 : 0,
  );
  releaseTape(tape);
  return result;
}

describe("dropout on a tape", () => {
  it("keeps 1 - rate of the elements and scales them", () => {
    const dropped = mask([8, 16, 100]);
    const kept = dropped.filter((value) => value !== 0);
    expect(new Set(kept)).toEqual(new Set([Math.fround(1 / (1 - RATE))]));
    const count = dropped.length;
    const deviation = Math.sqrt(RATE * (1 - RATE) * count);
    expect(Math.abs(kept.length - (1 - RATE) * count)).toBeLessThan(5 * deviation);
  });

  it("is the identity outside training and at rate 0", () => {
    const tape = createTape(backend, { training: false });
    const x = input(tape, [2, 2], new Float32Array(4));
    expect(dropout(tape, x, 0.5)).toBe(x);
    releaseTape(tape);
    const training = createTape(backend, { training: true });
    const y = input(training, [2, 2], new Float32Array(4));
    expect(dropout(training, y, 0)).toBe(y);
    expect(() => dropout(training, y, 1)).toThrow("rate");
    expect(() => dropout(training, y, -0.1)).toThrow("rate");
    releaseTape(training);
  });

  it("draws anew for each seed, step, operation and example, and only for those", () => {
    const base = mask([2, 3, 50]);
    expect(mask([2, 3, 50])).toEqual(base);
    expect(mask([2, 3, 50], { seed: 3 })).not.toEqual(base);
    expect(mask([2, 3, 50], { step: 3 })).not.toEqual(base);
    expect(mask([2, 3, 50], {}, 1)).not.toEqual(base);
    expect(base.subarray(0, 150)).not.toEqual(base.subarray(150));
    expect(mask([1, 3, 50], { firstExample: 1 })).toEqual(base.slice(150));
  });

  it("does not depend on padding", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 0, max: 5 }),
        fc.integer({ min: 1, max: 70 }),
        (batch, positions, padding, columns) => {
          const short = mask([batch, positions, columns]);
          const long = mask([batch, positions + padding, columns]);
          for (let b = 0; b < batch; b++) {
            const start = b * (positions + padding) * columns;
            const shortStart = b * positions * columns;
            const size = positions * columns;
            expect(long.slice(start, start + size)).toEqual(
              short.slice(shortStart, shortStart + size),
            );
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it("draws the same for a row whether sequences are padded or packed", () => {
    const tape = createTape(backend, { training: true, seed: 1, step: 2 });
    const [lengths, positions, columns] = [[3, 1, 5], 7, 33];
    const ones = (shape: Shape) =>
      input(tape, shape, new Float32Array(elementCount(shape)).fill(1));
    const packed = dropout(tape, ones([9, columns]), RATE, packedSequences(lengths)).value.data;
    const padded = mask([3, positions, columns]);
    let row = 0;
    lengths.forEach((length, b) => {
      const start = b * positions * columns;
      expect(packed.slice(row * columns, (row + length) * columns)).toEqual(
        padded.slice(start, start + length * columns),
      );
      row += length;
    });
    releaseTape(tape);
  });

  it("refuses sequences of other rows", () => {
    const tape = createTape(backend, { training: true });
    const x = input(tape, [3, 2], new Float32Array(6));
    expect(() => dropout(tape, x, RATE, packedSequences([2, 2]))).toThrow(
      "dropout: expected sequences of 3 rows, got 4",
    );
    expect(() => packedSequences([])).toThrow("lengths: expected at least one, got none");
    expect(() => packedSequences([2, 0])).toThrow("lengths[1]: expected an integer from 1");
    releaseTape(tape);
  });

  it("of attention does not depend on padding", () => {
    const [batch, heads, short, long] = [2, 3, 5, 37];
    const [a, b] = [attentionMask(batch, heads, short), attentionMask(batch, heads, long)];
    for (let block = 0; block < batch * heads; block++) {
      for (let query = 0; query < short; query++) {
        const inShort = (block * short + query) * short;
        const inLong = (block * long + query) * long;
        expect(b.slice(inLong, inLong + short)).toEqual(a.slice(inShort, inShort + short));
      }
    }
  });
});
