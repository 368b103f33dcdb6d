/** Columns taken out of a matrix, and put back. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { execute, randomFloats, VARIANTS } from "./subjects.ts";

const matrices = fc
  .record({ rows: fc.nat(9), width: fc.integer({ min: 1, max: 13 }) })
  .chain(({ rows, width }) =>
    fc
      .array(fc.nat(width - 1), { maxLength: 15 })
      .map((columns) => ({ rows, width, columns: Int32Array.from(columns) })),
  );

describe.each(VARIANTS)("columns (%s)", (_name, backend) => {
  it("are gathered in the order that is asked for", () => {
    fc.assert(
      fc.property(matrices, ({ rows, width, columns }) => {
        const x = randomFloats(1, rows * width);
        const operands = { x, columns, out: randomFloats(2, rows * columns.length) };
        const { out } = execute(backend, operands, (kernels, v) => {
          kernels.gatherColumns(v.x, v.columns, v.out, rows, width);
        });
        const expected = Array.from({ length: rows }, (_, r) =>
          Array.from(columns, (column) => x[r * width + column]),
        );
        expect(Array.from(out)).toEqual(expected.flat());
      }),
    );
  });

  it("are scattered to where they belong, and nothing else is touched", () => {
    fc.assert(
      fc.property(matrices, ({ rows, width, columns: any }) => {
        const columns = Int32Array.from(new Set(any));
        const x = randomFloats(1, rows * columns.length);
        const y = randomFloats(2, rows * width);
        const result = execute(backend, { x, columns, y }, (kernels, v) => {
          kernels.scatterColumns(v.x, v.columns, v.y, rows, width);
        });
        const expected = y.slice();
        for (let r = 0; r < rows; r++)
          columns.forEach((column, j) => {
            expected[r * width + column] = x[r * columns.length + j];
          });
        expect(result.y).toEqual(expected);
      }),
    );
  });

  it("that a matrix does not have are refused, and nothing is written", () => {
    for (const wrong of [-1, 3]) {
      const operands = {
        x: randomFloats(1, 6),
        columns: Int32Array.of(0, wrong),
        out: randomFloats(2, 6),
      };
      const { out } = execute(backend, operands, (kernels, v) => {
        expect(() => kernels.gatherColumns(v.x, v.columns, v.out, 2, 3)).toThrow(RangeError);
        expect(() => kernels.scatterColumns(v.x, v.columns, v.out, 2, 3)).toThrow(RangeError);
      });
      expect(out).toEqual(operands.out);
    }
  });
});
