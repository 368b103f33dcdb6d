/** The weight of a layer as a matrix with one row for each output. */
import {
  checkFinite,
  checkFloat32Array,
  checkInteger,
  checkKind,
  checkObject,
  mismatch,
} from "../core/checks.ts";

/** A weight to prune from calibration data. */
export interface CalibratedLayer {
  /** The shape of the weight: [out, in], or [in, out] with `inputsFirst`. */
  readonly shape: readonly number[];
  /** The elements of the weight in row-major order. */
  readonly data: Float32Array;
  /** Whether the weight is stored [in, out], as in transformers' Conv1D. Default false. */
  readonly inputsFirst?: boolean;
}

/** A weight as a matrix [rows, columns], one row for each output. */
export interface WeightMatrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float32Array;
}

export function checkLayer(layer: CalibratedLayer): void {
  checkObject("layer", layer, "shape", "data");
  const { shape, data, inputsFirst = false } = layer;
  checkKind(Array.isArray(shape), "layer.shape", "an array", shape);
  if (shape.length !== 2)
    throw new RangeError(mismatch("layer.shape", "two axes", `${shape.length} axes`));
  shape.forEach((extent, axis) => {
    checkInteger(`layer.shape[${axis}]`, extent, 1, 2 ** 31);
  });
  checkFloat32Array("layer.data", data, shape[0] * shape[1]);
  checkFinite("layer.data", data);
  checkKind(typeof inputsFirst === "boolean", "layer.inputsFirst", "a boolean", inputsFirst);
}

/** Copies a layer's weight as a matrix. */
export function matrixOf({ shape, data, inputsFirst = false }: CalibratedLayer): WeightMatrix {
  const [first, second] = shape;
  return inputsFirst
    ? { rows: second, columns: first, data: transposed(data, first, second) }
    : { rows: first, columns: second, data: data.slice() };
}

/** Returns a matrix's elements in the order in which the layer stores its weight. */
export function asStored<Data extends Float32Array | Uint8Array>(
  data: Data,
  { shape, inputsFirst = false }: CalibratedLayer,
): Data {
  return inputsFirst ? transposed(data, shape[1], shape[0]) : data;
}

function transposed<Data extends Float32Array | Uint8Array>(
  data: Data,
  rows: number,
  columns: number,
): Data {
  const turned = data.slice() as Data;
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      turned[column * rows + row] = data[row * columns + column];
  return turned;
}
