import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bitsOfPositions, positionsOfBits } from "../../src/sparse/block-bits.ts";
import { packBlocks } from "../../src/sparse/blocks.ts";
import { blockBitsProblems } from "../../src/sparse/check.ts";
import { sampleMatrices } from "./matrices.ts";

const extents = fc.integer({ min: 1, max: 5 });

describe("bits of kept blocks", () => {
  it("give back the positions, and have one set for each kept block", () => {
    fc.assert(
      fc.property(sampleMatrices, fc.tuple(extents, extents), ({ data, shape, mask }, block) => {
        const { starts, columns } = packBlocks(data, shape, block, mask);
        const bits = bitsOfPositions({ shape, block, starts, columns });
        const blocks = Math.ceil(shape[0] / block[0]) * Math.ceil(shape[1] / block[1]);
        expect(bits.length).toBe(Math.ceil(blocks / 8));
        expect(blockBitsProblems(shape, block, bits)).toEqual([]);
        expect(positionsOfBits(shape, block, bits)).toEqual({ shape, block, starts, columns });
        const ones = [...bits].map((byte) => byte.toString(2).replaceAll("0", "").length);
        expect(ones.reduce((sum, count) => sum + count, 0)).toBe(columns.length);
      }),
      { numRuns: 300 },
    );
  });

  it("are in row-major order from the lowest bit", () => {
    const data = Float32Array.of(0, 1, 0, 0, 0, 0, 0, 0, 2, 3, 0, 0);
    expect(bitsOfPositions(packBlocks(data, [4, 3], [2, 1]))).toEqual(Uint8Array.of(0b101010));
  });

  it("are refused if there are too few, too many, or bits beyond the last block", () => {
    const problems = (...bits: number[]) =>
      blockBitsProblems([9, 3], [1, 3], Uint8Array.from(bits)).map(
        ({ path, expected, got }) => `${path}: ${expected}, ${got}`,
      );
    expect(problems(255, 1)).toEqual([]);
    expect(problems(255)).toEqual(["bits: 2 elements, 1"]);
    expect(problems(255, 1, 0)).toEqual(["bits: 2 elements, 3"]);
    expect(problems(255, 3)).toEqual(["bits[1]: no bit beyond the last block, 3"]);
  });
});
