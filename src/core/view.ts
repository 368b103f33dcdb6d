/**
 * Strided views with the interface of the `ndarray` package (`data`, `shape`, `stride`, `offset`), so
 * that an ndarray goes in and out without a copy and without a dependency.
 */

/** A strided view on a typed array: element (i, j, ...) is `data[offset + i * stride[0] + j * stride[1] + ...]`. */
export interface View<Data extends ArrayLike<number> = Float32Array> {
  readonly data: Data;
  readonly shape: readonly number[];
  readonly stride: readonly number[];
  readonly offset: number;
}

/** Strides of a row-major array of this shape. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = step;
    step *= shape[axis] as number;
  }
  return strides;
}

/** Views row-major data as an array of `shape`; shares the data. */
export function viewOf<Data extends ArrayLike<number>>(
  data: Data,
  shape: readonly number[],
): View<Data> {
  return { data, shape, stride: rowMajorStrides(shape), offset: 0 };
}

/** The same elements with axes in another order, as in numpy's `transpose`; shares the data. */
export function permuteAxes<Data extends ArrayLike<number>>(
  view: View<Data>,
  axes: readonly number[],
): View<Data> {
  const reorder = (values: readonly number[]): number[] =>
    axes.map((axis) => values[axis] as number);
  const { data, shape, stride, offset } = view;
  return { data, shape: reorder(shape), stride: reorder(stride), offset };
}

/** Whether the view's elements lie row-major and without gaps. */
export function isRowMajor(view: View<ArrayLike<number>>): boolean {
  const expected = rowMajorStrides(view.shape);
  return view.shape.every((extent, axis) => extent === 1 || view.stride[axis] === expected[axis]);
}

/**
 * The view's elements in row-major order: a subarray of its data where they already lie so (no copy;
 * writes go through), a new array otherwise.
 */
export function toRowMajor(view: View): Float32Array {
  const count = view.shape.reduce((product, extent) => product * extent, 1);
  if (isRowMajor(view)) return view.data.subarray(view.offset, view.offset + count);
  const out = new Float32Array(count);
  let written = 0;
  const copy = (axis: number, position: number): void => {
    if (axis === view.shape.length) out[written++] = view.data[position] as number;
    else
      for (let i = 0; i < (view.shape[axis] as number); i++)
        copy(axis + 1, position + i * (view.stride[axis] as number));
  };
  copy(0, view.offset);
  return out;
}
