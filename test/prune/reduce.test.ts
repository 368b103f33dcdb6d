import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { layOut } from "../../src/prune/pattern.ts";
import { reduceBlocks, reduceNeighbours } from "../../src/prune/reduce.ts";
import { blockScores } from "../../src/reference/blocks.ts";
import { elements, weightMatrix } from "../../src/reference/matrix.ts";
import { exactValues, patterns } from "./models.ts";

const shapes = fc.constantFrom<readonly number[]>([4, 8], [8, 4], [4, 4, 3], [4, 8, 1, 2]);

test("blocks reduce as in the reference, over the width and then over the height", () => {
  fc.assert(
    fc.property(
      patterns.filter(({ kind }) => kind === "block"),
      shapes,
      exactValues(64),
      fc.constantFrom("mean" as const, "sum" as const, "max" as const),
      (pattern, shape, values, reduction) => {
        const layout = layOut(pattern, { shape });
        fc.pre(layout.divides);
        const data = values.slice(0, layout.rows * layout.columns);
        const { blockHeight, blockWidth } = layout;
        const expected = blockScores(weightMatrix(data, shape), blockHeight, blockWidth, reduction);
        const got = reduceBlocks(layout, reduction, data);
        expect([...got].map((value) => value + 0)).toEqual(elements(expected).map((v) => v + 0));
      },
    ),
  );
});

describe("neighbours", () => {
  const values = Float32Array.of(9, 1, -4, 2, 9);
  test.each([
    ["sum", -1],
    ["mean", Math.fround(-1 / 3)],
    ["max", 2],
  ] as const)("%s", (reduction, expected) => {
    expect(reduceNeighbours(reduction, values, 1, 3)).toBe(expected);
  });
});
