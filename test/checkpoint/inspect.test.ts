import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { inspectWeight, USUAL_PATTERNS } from "../../src/checkpoint/inspect.ts";
import { blocksOf, isBroken, matrixOf, patternOf, weights } from "./naive-verify.ts";

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
