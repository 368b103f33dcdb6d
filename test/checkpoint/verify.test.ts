import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { inspectWeight, USUAL_PATTERNS } from "../../src/checkpoint/inspect.ts";
import { isPrunable, roleOfTensor } from "../../src/checkpoint/layers.ts";
import { verifyPattern, verifyWeight } from "../../src/checkpoint/verify.ts";
import { type Pattern, parsePattern } from "../../src/prune/pattern.ts";
import { blocksOf, isBroken, matrixOf } from "./naive-verify.ts";

const PATTERNS = ["1x1", "2:4", "1:2", "3:4", "4x1", "1x4", "2x3", "1xchannel", "channelx1"];

function patternOf(spelling: string): Pattern {
  const pattern = parsePattern(spelling);
  if (pattern === undefined) throw new Error(`expected a pattern, got ${spelling}`);
  return pattern;
}

/** A weight of any kind of layer, mostly of zeros so that blocks are, too. */
const weights = fc
  .record({
    shape: fc.oneof(
      fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })),
      fc.tuple(
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 3 }),
      ),
      fc.tuple(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 3 }),
      ),
    ),
    values: fc.array(fc.constantFrom(0, -0, 0, 0, 0, 1e-40, 1, -2), {
      minLength: 225,
      maxLength: 225,
    }),
  })
  .map(({ shape, values }) => {
    const extents: readonly number[] = shape;
    const count = extents.reduce((a, b) => a * b, 1);
    return { name: "layer", shape: extents, data: Float32Array.from(values.slice(0, count)) };
  });

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

describe("inspecting a weight", () => {
  it("names exactly the usual patterns that it satisfies", () => {
    fc.assert(
      fc.property(weights, (weight) => {
        const { patterns, zeros } = inspectWeight(weight);
        const matrix = matrixOf(weight.shape, weight.data);
        const expected = USUAL_PATTERNS.filter((spelling) => {
          const pattern = patternOf(spelling);
          const blocks = blocksOf(matrix, pattern, weight.shape[1] ?? 0);
          const covered = blocks.reduce((sum, { values }) => sum + values.length, 0);
          return (
            covered === weight.data.length &&
            blocks.every(({ values }) => !isBroken(values, pattern, pattern.kind === "block")) &&
            blocks.some(({ values }) => values.some((value) => value === 0))
          );
        });
        expect(patterns.map(({ pattern }) => pattern)).toEqual(zeros === 0 ? [] : expected);
      }),
      { numRuns: 500 },
    );
  });

  it("counts what is no number", () => {
    const data = Float32Array.of(Number.NaN, Infinity, 0, 1);
    expect(inspectWeight({ name: "fc", shape: [2, 2], data })).toMatchObject({
      nonFinite: 2,
      zeros: 1,
    });
  });
});

describe("the role of a tensor", () => {
  it.each([
    ["bert.encoder.layer.0.output.dense.weight", [8, 8], "linear"],
    ["bert.embeddings.word_embeddings.weight", [99, 8], "embedding"],
    ["transformer.wte.weight", [99, 8], "embedding"],
    ["model.embed_tokens.weight", [99, 8], "embedding"],
    ["conv1.weight", [8, 3, 3, 3], "conv2d"],
    ["conv1.weight", [8, 3, 3], "conv1d"],
    ["bert.embeddings.LayerNorm.weight", [8], "other"],
    ["classifier.bias", [2], "other"],
    ["position_ids", [1, 512], "other"],
  ])("%s %j is %s", (name, shape, kind) => {
    const role = roleOfTensor({ name, shape });
    expect(role.kind).toBe(kind);
    expect(role.reason).not.toBe("");
    expect(isPrunable(role.kind)).toBe(!["embedding", "other"].includes(kind));
  });
});
