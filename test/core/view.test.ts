import fc from "fast-check";
import ndarray from "ndarray";
import { expect, test } from "vitest";
import {
  isRowMajor,
  permuteAxes,
  rowMajorStrides,
  toRowMajor,
  viewOf,
} from "../../src/core/view.ts";

const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 4 });

test("views are ndarrays, and ndarrays are views", () => {
  const data = Float32Array.from({ length: 24 }, (_, i) => i);
  const view = viewOf(data, [2, 3, 4]);
  const array = ndarray(data, [2, 3, 4]);
  expect({ ...view }).toEqual({
    data: array.data,
    shape: array.shape,
    stride: array.stride,
    offset: array.offset,
  });
  const transposed = array.transpose(2, 0, 1);
  expect(Array.from(toRowMajor(transposed))).toEqual(
    Array.from(toRowMajor(permuteAxes(view, [2, 0, 1]))),
  );
});

test("row-major data is not copied, and writes go through", () => {
  const data = new Float32Array(12);
  const rows = ndarray(data, [3, 4]).lo(1, 0).hi(2, 4);
  const out = toRowMajor(rows);
  out[0] = 7;
  expect(data[4]).toBe(7);
});

test("any permutation reads as the ndarray reads it", () => {
  fc.assert(
    fc.property(shapes, fc.infiniteStream(fc.nat()), (shape, picks) => {
      const count = shape.reduce((a, b) => a * b, 1);
      const data = Float32Array.from({ length: count }, (_, i) => i + 1);
      const axes = shape.map((_, i) => i);
      for (let i = axes.length - 1; i > 0; i--) {
        const j = picks.next().value % (i + 1);
        [axes[i], axes[j]] = [axes[j] as number, axes[i] as number];
      }
      const view = permuteAxes(viewOf(data, shape), axes);
      const array = ndarray(data, shape).transpose(...axes);
      const flat = toRowMajor(view);
      expect(flat).toHaveLength(count);
      const strides = rowMajorStrides(view.shape);
      for (let i = 0; i < count; i++) {
        const index = view.shape.map(
          (extent, axis) => Math.floor(i / (strides[axis] as number)) % extent,
        );
        expect(flat[i]).toBe(array.get(...index));
      }
    }),
    { numRuns: 60 },
  );
});

test("knows a transposed matrix from a row", () => {
  expect(isRowMajor(permuteAxes(viewOf(new Float32Array(6), [2, 3]), [1, 0]))).toBe(false);
  expect(isRowMajor(permuteAxes(viewOf(new Float32Array(3), [1, 3]), [1, 0]))).toBe(true);
});
