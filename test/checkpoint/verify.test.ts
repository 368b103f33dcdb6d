import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { verifyPattern, verifyWeight } from "../../src/checkpoint/verify.ts";
import { blocksOf, isBroken, matrixOf, patternOf, weights } from "./naive-verify.ts";

const PATTERNS = ["1x1", "2:4", "1:2", "3:4", "4x1", "1x4", "2x3", "1xchannel", "channelx1"];

describe("verifying a pattern", () => {
  it("finds what a naive checker finds", () => {
    fc.assert(
      fc.property(
        weights,
        fc.constantFrom(...PATTERNS),
        fc.boolean(),
        (weight, spelling, exact) => {
          const pattern = patternOf(spelling);
          const blocks = blocksOf(
            matrixOf(weight.shape, weight.data),
            pattern,
            weight.shape[1] ?? 0,
          );
          const first = blocks.find(({ values }) => isBroken(values, pattern, exact));
          const covered = blocks.reduce((sum, { values }) => sum + values.length, 0);
          const found = verifyWeight(weight, { pattern: spelling, exact });
          expect(found.blocks).toBe(blocks.length);
          expect(found.remainder).toBe(weight.data.length - covered);
          expect(found.zeros).toBe(weight.data.filter((value) => value === 0).length);
          expect(found.violation === null).toBe(first === undefined);
          if (first !== undefined)
            expect(found.violation).toMatchObject({ row: first.row, column: first.column });
          const zerosOf = (values: readonly number[]) =>
            values.filter((value) => value === 0).length;
          const sparse = blocks.filter(({ values }) =>
            pattern.kind === "group"
              ? zerosOf(values) >= pattern.prune
              : zerosOf(values) === values.length,
          );
          expect(found.sparseBlocks).toBe(sparse.length);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it("finds one planted violation at the first, the last and a ragged place", () => {
    const shape = [8, 12];
    const obeying = Float32Array.from({ length: 96 }, (_, i) => (i % 4 < 2 ? 0 : 1));
    for (const [row, column] of [
      [0, 0],
      [7, 8],
      [3, 4],
    ] as const) {
      const data = obeying.slice();
      data[row * 12 + column] = 5;
      expect(verifyWeight({ name: "fc", shape, data }, { pattern: "2:4" }).violation).toEqual({
        ...{ layer: "fc", row, column },
        ...{ expected: "at least 2 zeros of 4", got: "1" },
      });
    }
    // Two columns more are no group of four: they are counted, not checked.
    const ragged = Float32Array.from({ length: 8 * 14 }, (_, i) =>
      i % 14 >= 12 ? 7 : (i % 14) % 4 < 2 ? 0 : 1,
    );
    const found = verifyWeight({ name: "fc", shape: [8, 14], data: ragged }, { pattern: "2:4" });
    expect(found).toMatchObject({ violation: null, remainder: 16, blocks: 24, sparseBlocks: 24 });
  });

  it("states that a dense model has no block of zeros, and takes none for one", () => {
    const data = new Float32Array(16).fill(1);
    const { total, violation } = verifyPattern([{ name: "fc", shape: [4, 4], data }], {
      pattern: "4x1",
    });
    expect(violation).toBeNull();
    expect(total).toMatchObject({ blocks: 4, sparseBlocks: 0, partialBlocks: 0, zeros: 0 });
  });

  it("counts partial blocks, and refuses them where that is asked", () => {
    const weight = { name: "fc", shape: [4, 2], data: Float32Array.of(0, 0, 0, 1, 0, 1, 0, 1) };
    expect(verifyWeight(weight, { pattern: "4x1" })).toMatchObject({
      ...{ sparseBlocks: 1, partialBlocks: 1, violation: null },
    });
    expect(verifyWeight(weight, { pattern: "4x1", exact: true }).violation).toEqual({
      ...{ layer: "fc", row: 0, column: 1 },
      ...{ expected: "a block of zeros or of values", got: "1 zeros of 4" },
    });
  });

  it("takes small magnitudes for zeros only where it is told to, and no number for none", () => {
    const data = Float32Array.of(1e-30, -1e-30, 1, Number.NaN);
    const weight = { name: "fc", shape: [1, 4], data };
    expect(verifyWeight(weight, { pattern: "2:4" }).zeros).toBe(0);
    expect(verifyWeight(weight, { pattern: "2:4", tolerance: 1e-20 })).toMatchObject({
      ...{ zeros: 2, violation: null },
    });
  });

  it("refuses what is no pattern, no tolerance, no weight", () => {
    const weight = { name: "fc", shape: [1, 4], data: new Float32Array(4) };
    expect(() => verifyWeight(weight, { pattern: "four" })).toThrow(/^pattern: expected a pattern/);
    expect(() => verifyWeight(weight, { pattern: "2:4", tolerance: -1 })).toThrow(/^tolerance:/);
    const short = { ...weight, data: new Float32Array(3) };
    expect(() => verifyWeight(short, { pattern: "2:4" })).toThrow(/^fc: expected/);
  });
});
