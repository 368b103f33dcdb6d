import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { quantizeRows } from "../../src/onnx/quantize.ts";

const matrices = fc
  .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 9 }))
  .chain(([rows, columns]) =>
    fc.record({
      rows: fc.constant(rows),
      data: fc.float32Array({
        minLength: rows * columns,
        maxLength: rows * columns,
        noNaN: true,
        noDefaultInfinity: true,
        min: -1000,
        max: 1000,
      }),
    }),
  );

describe("quantizeRows", () => {
  test("keeps zeros, and every element within half a step of its row", () => {
    fc.assert(
      fc.property(matrices, ({ rows, data }) => {
        const { values, scales, error } = quantizeRows("w", rows, data);
        const columns = data.length / rows;
        data.forEach((value, i) => {
          const scale = scales[Math.floor(i / columns)] ?? NaN;
          const difference = Math.abs(value - Math.fround(scale * (values[i] ?? NaN)));
          if (value === 0) expect(values[i]).toBe(0);
          // Half a step, the rounding of the product to float32, and the smallest scale.
          expect(difference).toBeLessThanOrEqual(
            scale / 2 + Math.abs(value) * 2 ** -22 + 2 ** -149,
          );
          expect(difference).toBeLessThanOrEqual(error);
        });
      }),
    );
  });

  test("uses the whole range: the largest element of a row becomes 127 or -127", () => {
    const { values, scales } = quantizeRows("w", 2, Float32Array.of(0.5, -4, 1, 127, 1.5, 2.5));
    expect([...values]).toEqual([16, -127, 32, 127, 2, 2]);
    expect([...scales]).toEqual([Math.fround(4 / 127), 1]);
  });

  test("gives a row of zeros the scale 1", () => {
    expect(quantizeRows("w", 1, new Float32Array(3))).toEqual({
      values: new Int8Array(3),
      scales: Float32Array.of(1),
      error: 0,
    });
  });

  test("keeps the largest float32 numbers finite", () => {
    const largest = (2 - 2 ** -23) * 2 ** 127;
    const { values, scales, error } = quantizeRows("w", 1, Float32Array.of(largest, -largest, 1));
    expect([...values]).toEqual([127, -127, 0]);
    expect(Math.fround(127 * (scales[0] ?? NaN))).toBeLessThanOrEqual(largest);
    expect(error).toBeLessThan(largest * 2 ** -22);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY])("refuses %s by name", (value) => {
    const data = Float32Array.of(1, 2, 3, value);
    expect(() => quantizeRows("fc.weight", 2, data)).toThrow(
      `fc.weight[3]: expected a finite element, got ${value}`,
    );
  });
});
