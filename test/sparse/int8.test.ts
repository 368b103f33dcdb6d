import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { packBlocks } from "../../src/sparse/blocks.ts";
import {
  type Int8Matrix,
  quantizeRows,
  quantizeRowsOfBlocks,
  unpackInt8,
} from "../../src/sparse/int8.ts";

const floats = fc.float({ noNaN: true, noDefaultInfinity: true });
const blocks = fc.oneof(
  fc.constantFrom(null, [4, 1], [8, 1], [16, 1], [1, 4], [1, 3], [2, 3], [1, 1]),
  fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 })),
) as fc.Arbitrary<readonly [number, number] | null>;

/** Matrices of ragged shapes, from all zero to no zero, with blocks or dense, with or without a mask. */
const matrices = fc
  .record({
    rows: fc.nat(20),
    columns: fc.nat(9),
    block: blocks,
    zeros: fc.constantFrom(0, 1, 9, Infinity),
    masked: fc.boolean(),
  })
  .chain(({ rows, columns, block, zeros, masked }) => {
    const list = { minLength: rows * columns, maxLength: rows * columns };
    const zero = { arbitrary: fc.constant(0), weight: zeros === Infinity ? 1 : zeros };
    const element = fc.oneof(zero, { arbitrary: floats, weight: zeros === Infinity ? 0 : 1 });
    return fc
      .record({ values: fc.array(element, list), bits: fc.array(fc.constantFrom(0, 0, 1), list) })
      .map(({ values, bits }) => ({
        data: Float32Array.from(values),
        shape: [rows, columns] as const,
        block,
        mask: masked ? Uint8Array.from(bits) : undefined,
      }));
  });

function arraysOf(matrix: Int8Matrix): readonly unknown[] {
  const { shape, block, values, scales } = matrix;
  return [shape, block, values, scales, ...(block === null ? [] : [matrix.starts, matrix.columns])];
}

describe("eight bits with a scale for each row", () => {
  it("are off by at most half of the row's scale, which is at most 1 % above the smallest one", () => {
    fc.assert(
      fc.property(matrices, ({ data, shape, block, mask }) => {
        const before = data.slice();
        const { matrix, error } = quantizeRows(data, shape, { block, mask });
        expect(data).toEqual(before);
        const dense = unpackInt8(matrix);
        expect(dense.length).toBe(data.length);
        let maximum = 0;
        for (let row = 0; row < shape[0]; row++) {
          const own = data.subarray(row * shape[1], (row + 1) * shape[1]);
          const largest = Math.max(0, ...own.map(Math.abs));
          // bfloat16 has eight bits: rounding up adds at most 2^-7, and at least its least number.
          const scale = largest === 0 ? 0 : (largest / 127) * (1 + 2 ** -7) + 2 ** -133;
          if (largest === 0) expect(matrix.scales[row]).toBe(0);
          own.forEach((value, column) => {
            const difference = Math.abs(value - (dense[row * shape[1] + column] as number));
            expect(difference).toBeLessThanOrEqual(scale / 2);
            maximum = Math.max(maximum, difference);
          });
        }
        expect(error.maximum).toBe(maximum);
        expect(matrix.values.every((value) => value >= -127)).toBe(true);
        expect(dense.every((value) => !Object.is(value, -0))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it("keep the blocks that the mask keeps, and the integers of the dense form", () => {
    fc.assert(
      fc.property(matrices, ({ data, shape, block, mask }) => {
        const dense = quantizeRows(data, shape).matrix;
        if (block === null) return;
        const packed = packBlocks(data, shape, block, mask);
        const { matrix } = quantizeRowsOfBlocks(packed);
        expect(arraysOf(matrix)).toEqual(
          arraysOf(quantizeRows(data, shape, { block, mask }).matrix),
        );
        expect([matrix.starts, matrix.columns]).toEqual([packed.starts, packed.columns]);
        expect(matrix.scales).toEqual(dense.scales);
        expect(unpackInt8(matrix)).toEqual(unpackInt8(dense));
      }),
      { numRuns: 300 },
    );
  });

  it("state the error of the whole matrix", () => {
    const { error, matrix } = quantizeRows(Float32Array.of(127, 0.25, 0, 0), [2, 2]);
    expect(error).toEqual({ maximum: 0.25, relative: 0.25 / Math.sqrt(127 ** 2 + 0.25 ** 2) });
    expect(Array.from(matrix.values)).toEqual([127, 0, 0, 0]);
    expect(quantizeRows(new Float32Array(4), [2, 2], { block: [2, 1] }).error).toEqual({
      maximum: 0,
      relative: 0,
    });
  });

  it("hold the largest and the least float", () => {
    for (const value of [3.4028234663852886e38, 2 ** -149]) {
      const dense = unpackInt8(quantizeRows(Float32Array.of(value, -value), [1, 2]).matrix);
      expect(dense.every(Number.isFinite)).toBe(true);
      expect((dense[0] as number) + (dense[1] as number)).toBe(0);
    }
  });

  it("refuse what is not finite, by its place", () => {
    for (const wrong of [Number.NaN, Infinity, -Infinity])
      for (const block of [null, [2, 1]] as const)
        expect(() => quantizeRows(Float32Array.of(1, wrong), [2, 1], { block })).toThrow(
          "data[1]: expected a finite number",
        );
    const packed = packBlocks(Float32Array.of(0, 0, Number.NaN), [3, 1], [1, 1]);
    expect(() => quantizeRowsOfBlocks(packed)).toThrow(
      "blocks.values[0]: expected a finite number",
    );
    expect(() => quantizeRows(new Float32Array(3), [2, 2])).toThrow("data: expected 4 elements");
  });
});
