/**
 * Weights as matrices [output channels, inputs]. The inputs of a convolution are ordered by kernel position and then by
 * channel (INC: `_reshape_orig_to_2dims`, `_reshape_2dims_to_orig`).
 */
import ndarray, { type NdArray } from "ndarray";
import { assign } from "ndarray-ops";
import { checkMatrix, checkWeightData } from "./arguments.ts";

/** A strided view of an array: the public fields of an ndarray. */
export interface View<Data extends ArrayLike<number> = Float32Array> {
  readonly data: Data;
  readonly shape: readonly number[];
  readonly stride: readonly number[];
  readonly offset: number;
}

/** A weight as a matrix, one row for each output. */
export type Matrix = View<Float32Array>;
/** A matrix with 1 for each kept and 0 for each pruned element. */
export type MaskMatrix = View<Uint8Array>;

/** Creates an ndarray that shares the data of a view. */
export function asNdarray<Data extends Float32Array | Uint8Array>(view: View<Data>): NdArray<Data> {
  return ndarray<Data>(view.data, [...view.shape], [...view.stride], view.offset);
}

export function at(matrix: Matrix | MaskMatrix, row: number, column: number): number {
  return matrix.data[matrix.offset + row * matrix.stride[0] + column * matrix.stride[1]];
}

/** Creates a matrix from a function that returns the entry at each position. */
export function matrixOf(
  rows: number,
  columns: number,
  entry: (row: number, column: number, index: number) => number,
): Matrix {
  const values = Float32Array.from({ length: rows * columns }, (_, index) =>
    entry(Math.floor(index / columns), index % columns, index),
  );
  return ndarray(values, [rows, columns]);
}

/** Creates a mask from a function that returns whether an element is kept. */
export function maskOf(
  rows: number,
  columns: number,
  keeps: (row: number, column: number, index: number) => boolean,
): MaskMatrix {
  const { data } = matrixOf(rows, columns, (...place) => (keeps(...place) ? 1 : 0));
  return ndarray(Uint8Array.from(data), [rows, columns]);
}

/** Applies `change` to every entry of a matrix. `index` is the row-major index. */
export function mapped(matrix: Matrix, change: (value: number, index: number) => number): Matrix {
  const [rows, columns] = matrix.shape;
  return matrixOf(rows, columns, (row, column, index) => change(at(matrix, row, column), index));
}

/** Returns the rows of one block of `height` x `width` elements. */
export function linesOf(
  matrix: Matrix | MaskMatrix,
  { height, width }: { readonly height: number; readonly width: number },
  blockRow: number,
  blockColumn: number,
): number[][] {
  return Array.from({ length: height }, (_, i) =>
    Array.from({ length: width }, (_, j) =>
      at(matrix, blockRow * height + i, blockColumn * width + j),
    ),
  );
}

/** Copies the elements in row-major order. */
function flat<Data extends Float32Array | Uint8Array>(matrix: View<Data>): Data {
  const length = matrix.shape.reduce((a, b) => a * b, 1);
  const copy = matrix.data.slice(0, length) as Data;
  assign(ndarray(copy, [...matrix.shape]), asNdarray(matrix));
  return copy;
}

/** Returns all elements in row-major order. */
export function elements(matrix: View<Float32Array | Uint8Array>): number[] {
  return Array.from(flat(matrix));
}

/** Moves the input channel axis of a weight to the end. */
function channelsLast<Data extends Float32Array | Uint8Array>(
  weight: NdArray<Data>,
): NdArray<Data> {
  const kernel = Array.from({ length: weight.shape.length - 2 }, (_, i) => i + 2);
  return weight.transpose(0, ...kernel, 1);
}

/** Converts a weight or a mask of `shape` (linear [out, in], convolution [out, in, ...kernel]) to a matrix. */
export function weightMatrix<Data extends Float32Array | Uint8Array>(
  data: Data,
  shape: readonly number[],
): View<Data> {
  checkWeightData("data", data, shape);
  const rows = shape[0];
  const columns = rows === 0 ? 0 : data.length / rows;
  return ndarray(flat(channelsLast(ndarray(data, [...shape]))), [rows, columns]);
}

/** The inverse of {@link weightMatrix}: the elements in the weight's own order. */
export function inWeightOrder<Data extends Float32Array | Uint8Array>(
  matrix: View<Data>,
  shape: readonly number[],
): Data {
  checkMatrix("matrix", matrix, "any");
  checkWeightData("matrix", matrix.data, shape);
  const dense = flat(matrix);
  const out = dense.slice() as Data;
  const target = channelsLast(ndarray(out, [...shape]));
  assign(target, ndarray(dense, target.shape));
  return out;
}
