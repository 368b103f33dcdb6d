/**
 * Weights as matrices [output channels, inputs]. A convolution's inputs run over kernel positions first
 * and channels within a position (INC: `_reshape_orig_to_2dims`, `_reshape_2dims_to_orig`).
 */
import ndarray, { type NdArray } from "ndarray";
import { assign } from "ndarray-ops";

/** Numbers seen as an array of `shape`: the public fields of an ndarray. */
export interface View<Data extends ArrayLike<number> = Float32Array> {
  readonly data: Data;
  readonly shape: readonly number[];
  readonly stride: readonly number[];
  readonly offset: number;
}

/** A row-major or strided matrix. */
export type Matrix = View<Float32Array>;
/** A matrix of 0 and 1; 1 = kept. */
export type MaskMatrix = View<Uint8Array>;

/** An ndarray over a view's own data. */
export function asNdarray<Data extends Float32Array | Uint8Array>(view: View<Data>): NdArray<Data> {
  return ndarray<Data>(view.data, [...view.shape], [...view.stride], view.offset);
}

/** A matrix of zeros. */
export function zeros(rows: number, columns: number): NdArray<Float32Array> {
  return ndarray(new Float32Array(rows * columns), [rows, columns]);
}

/** A mask of zeros. */
export function maskOfZeros(rows: number, columns: number): NdArray<Uint8Array> {
  return ndarray(new Uint8Array(rows * columns), [rows, columns]);
}

/** A mask made of one row after the other. */
export function maskFrom(rows: number, columns: number, kept: readonly boolean[]): MaskMatrix {
  return ndarray(
    Uint8Array.from(kept, (one) => (one ? 1 : 0)),
    [rows, columns],
  );
}

/** A copy of a matrix's elements, row by row. */
function flat<Data extends Float32Array | Uint8Array>(matrix: View<Data>): Data {
  const copy = matrix.data.slice(
    0,
    matrix.shape.reduce((a, b) => a * b, 1),
  ) as Data;
  assign(ndarray(copy, [...matrix.shape]), asNdarray(matrix));
  return copy;
}

/** All elements, row by row. */
export function elements(matrix: View<Float32Array | Uint8Array>): number[] {
  return Array.from(flat(matrix));
}

/** Axes of a weight with its input channels last. */
function channelsLast<Data extends Float32Array | Uint8Array>(
  weight: NdArray<Data>,
): NdArray<Data> {
  const dimensions = weight.shape.length;
  const kernel = Array.from({ length: dimensions - 2 }, (_, i) => i + 2);
  return weight.transpose(0, ...kernel, 1);
}

/**
 * A weight of `shape` (linear [out, in], convolution [out, in, ...kernel]), or something that is laid out like
 * one, as a matrix.
 */
export function weightMatrix<Data extends Float32Array | Uint8Array>(
  data: Data,
  shape: readonly number[],
): View<Data> {
  const rows = shape[0] ?? 0;
  return ndarray(flat(channelsLast(ndarray(data, [...shape]))), [
    rows,
    rows === 0 ? 0 : data.length / rows,
  ]);
}

/** The inverse of {@link weightMatrix}: a matrix's elements in the weight's own order. */
export function inWeightOrder<Data extends Float32Array | Uint8Array>(
  matrix: View<Data>,
  shape: readonly number[],
): Data {
  const dense = flat(matrix);
  const out = dense.slice() as Data;
  const target = channelsLast(ndarray(out, [...shape]));
  assign(target, ndarray(dense, target.shape));
  return out;
}
