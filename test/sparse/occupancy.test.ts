import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BLOCK_HEIGHTS } from "../../src/kernels/block-sparse.ts";
import { occupancyOf } from "../../src/sparse/occupancy.ts";

/** Counts by the definition: every row, column and block is looked at on its own. */
function counted(weight: Float32Array, rows: number, columns: number) {
  const isOccupied = (row: number, column: number) => weight[row * columns + column] !== 0;
  const range = (count: number) => Array.from({ length: count }, (_, i) => i);
  const blocksOf = (height: number) =>
    range(rows / height).flatMap((block) =>
      range(columns).filter((column) =>
        range(height).some((i) => isOccupied(block * height + i, column)),
      ),
    ).length;
  return {
    blocks: new Map(
      BLOCK_HEIGHTS.filter((height) => rows % height === 0).map((height) => [
        height,
        blocksOf(height),
      ]),
    ),
    rows: range(rows).filter((row) => range(columns).some((column) => isOccupied(row, column)))
      .length,
    columns: range(columns).filter((column) => range(rows).some((row) => isOccupied(row, column)))
      .length,
  };
}

describe("occupancyOf", () => {
  const weights = fc
    .record({ rows: fc.integer({ min: 0, max: 50 }), columns: fc.integer({ min: 0, max: 20 }) })
    .chain(({ rows, columns }) =>
      fc.record({
        rows: fc.constant(rows),
        columns: fc.constant(columns),
        weight: fc
          .array(fc.constantFrom(0, 0, 0, 0, 0, -0, 1, -1, 1e-45, Number.NaN, Infinity), {
            minLength: rows * columns,
            maxLength: rows * columns,
          })
          .map((values) => Float32Array.from(values)),
      }),
    );

  it("counts rows, columns and blocks as their definitions do", () => {
    fc.assert(
      fc.property(weights, ({ rows, columns, weight }) => {
        expect(occupancyOf(weight, [rows, columns])).toEqual(counted(weight, rows, columns));
      }),
    );
  });

  it.each([
    [0, 0],
    [1, 480],
  ])("counts a weight full of %s", (value, each) => {
    const { rows, columns, blocks } = occupancyOf(new Float32Array(48 * 10).fill(value), [48, 10]);
    expect([rows, columns]).toEqual([48 * Number(value !== 0), 10 * Number(value !== 0)]);
    expect(blocks.get(1)).toBe(each);
    expect(blocks.get(16)).toBe(each / 16);
  });
});
