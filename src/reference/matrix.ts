/**
 * Weights as matrices [output channels, inputs]. A convolution's inputs run over kernel positions first
 * and channels within a position.
 */
import ndarray, { type NdArray } from "ndarray";
import { assign } from "ndarray-ops";
import type { View } from "../core/view.ts";

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

/** Axes of a weight with its input channels last. */
function channelsLast<Data extends Float32Array | Uint8Array>(
  weight: NdArray<Data>,
): NdArray<Data> {
  const dimensions = weight.shape.length;
  const kernel = Array.from({ length: dimensions - 2 }, (_, i) => i + 2);
  return weight.transpose(0, ...kernel, 1);
}

/** A weight of `shape` (linear [out, in], convolution [out, in, ...kernel]) as a matrix. */
export function weightMatrix(data: Float32Array, shape: readonly number[]): Matrix {
  const last = channelsLast(ndarray(data, [...shape]));
  const flat = new Float32Array(data.length);
  assign(ndarray(flat, last.shape), last);
  const rows = shape[0] ?? 0;
  return ndarray(flat, [rows, rows === 0 ? 0 : data.length / rows]);
}

/** The inverse of {@link weightMatrix}, for masks: the elements in the weight's own order. */
export function maskInWeightOrder(mask: MaskMatrix, shape: readonly number[]): Uint8Array {
  const out = new Uint8Array(mask.data.length);
  const target = channelsLast(ndarray(out, [...shape]));
  const dense = new Uint8Array(mask.data.length);
  assign(ndarray(dense, [...mask.shape]), asNdarray(mask));
  assign(target, ndarray(dense, target.shape));
  return out;
}
