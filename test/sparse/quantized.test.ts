import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { packBlocks } from "../../src/sparse/blocks.ts";
import { packedProblems } from "../../src/sparse/check.ts";
import { packedBytes } from "../../src/sparse/layout.ts";
import { quantizeBlocks, unpackQuantized } from "../../src/sparse/quantized.ts";

const floats = fc.float({ noNaN: true, noDefaultInfinity: true });
const matrices = fc
  .record({ rows: fc.nat(9), columns: fc.nat(9), height: fc.integer({ min: 1, max: 5 }) })
  .chain(({ rows, columns, height }) =>
    fc
      .array(fc.oneof(fc.constant(0), floats), {
        minLength: rows * columns,
        maxLength: rows * columns,
      })
      .map((values) => ({
        data: Float32Array.from(values),
        shape: [rows, columns] as const,
        block: [height, 1] as const,
      })),
  );

describe("eight bits for each element", () => {
  it("are off by at most half of the block's scale, which is at most 1 % above the smallest one", () => {
    fc.assert(
      fc.property(matrices, ({ data, shape, block }) => {
        const { matrix, error } = quantizeBlocks(packBlocks(data, shape, block));
        expect(packedProblems(matrix)).toEqual([]);
        const dense = unpackQuantized(matrix);
        let maximum = 0;
        data.forEach((value, i) => {
          const [row, column] = [Math.floor(i / shape[1]), i % shape[1]];
          const first = row - (row % block[0]);
          const own = Array.from({ length: Math.min(block[0], shape[0] - first) }, (_, j) =>
            Math.abs(data[(first + j) * shape[1] + column] as number),
          );
          // bfloat16 has eight bits: rounding up adds at most 2^-7, and at least its least number.
          const scale = (Math.max(...own) / 127) * (1 + 2 ** -7) + 2 ** -133;
          const difference = Math.abs(value - (dense[i] as number));
          expect(difference).toBeLessThanOrEqual(scale / 2);
          maximum = Math.max(maximum, difference);
        });
        expect(error.maximum).toBe(maximum);
      }),
      { numRuns: 300 },
    );
  });

  it("state the error of the whole matrix", () => {
    const data = Float32Array.of(127, 0.25, 0, 0);
    const { error, matrix } = quantizeBlocks(packBlocks(data, [4, 1], [2, 1]));
    expect(error).toEqual({ maximum: 0.25, relative: 0.25 / Math.sqrt(127 ** 2 + 0.25 ** 2) });
    expect(Array.from(matrix.values)).toEqual([127, 0]);
    expect(packedBytes(matrix)).toBe(4 * 3 + 2 + 2 + 2);
  });

  it("refuse what is not finite", () => {
    for (const wrong of [Number.NaN, Infinity]) {
      const packed = packBlocks(Float32Array.of(1, wrong), [2, 1], [2, 1]);
      expect(() => quantizeBlocks(packed)).toThrow("values[1]: expected a finite number");
    }
  });
});
