/** Products with 8-bit weights, and lookups in 8-bit tables, in a backend's memory. */
import type { LinearProduct, TableLookup } from "../autograd/records.ts";
import { fromBfloat16 } from "../core/half.ts";
import type { Backend } from "../kernels/backend.ts";
import { int8Layout, type QuantizedRows, rowBytes } from "../kernels/int8.ts";
import { creating, Tensor } from "../tensor/tensor.ts";
import {
  floatsOf,
  integersOf,
  type Prepared,
  type PreparedProduct,
  prepared,
} from "./execution.ts";
import type { DenseInt8Matrix, Int8Matrix } from "./int8.ts";
import { int8Weight } from "./int8-weight.ts";

/** The latest activations that were rounded to bytes, for products that share them. */
export interface Int8Activations {
  /**
   * Returns the bytes of x [rows, inputs], which are valid until the next call. They are computed once for consecutive
   * calls with the same tensor and the same `group`, within which the tensor does not change; null shares nothing.
   */
  round(x: Tensor, rows: number, inputs: number, group: string | null): QuantizedRows;
  /** Frees the bytes. To be called after each forward pass. */
  clear(): void;
}

export function int8Activations({ kernels, memory }: Backend): Int8Activations {
  let latest: { readonly x: Tensor; readonly rows: number; readonly group: string | null } | null =
    null;
  let held: readonly Tensor[] = [];
  const clear = (): void => {
    for (const tensor of held) tensor.release();
    held = [];
    latest = null;
  };
  const views = (): QuantizedRows => {
    const [bytes, scales, zeros] = held;
    return { bytes: bytes.integers, scales: scales.data, zeros: zeros.integers };
  };
  const round: Int8Activations["round"] = (x, rows, inputs, group) => {
    const isKnown = group !== null && latest?.group === group;
    if (isKnown && latest?.x === x && latest.rows === rows) return views();
    clear();
    held = creating((hold) =>
      [(rows * rowBytes(inputs)) / 4, rows, rows].map((length) =>
        hold(new Tensor(memory, [length], memory.reserve(length))),
      ),
    );
    kernels.int8Quantize(x.data, views(), rows, inputs);
    latest = { x, rows, group };
    return views();
  };
  return { round, clear };
}

/**
 * Prepares the product with a matrix of 8-bit integers.
 *
 * @param group - the name of the products that share their input with this one
 */
export function prepareInt8Product(
  backend: Backend,
  matrix: Int8Matrix,
  activations: Int8Activations,
  group: string | null,
): PreparedProduct {
  const { kernels } = backend;
  const { outputs, inputs, form, ...arrays } = int8Weight(matrix, int8Layout(kernels.variant));
  const held = creating((hold) => ({
    starts: hold(integersOf(backend, arrays.starts)),
    columns: hold(integersOf(backend, arrays.columns)),
    values: hold(integersOf(backend, arrays.values)),
    negatedSums: hold(integersOf(backend, arrays.negatedSums)),
    scales: hold(floatsOf(backend, arrays.scales)),
  }));
  const { starts, columns, values, negatedSums, scales } = held;
  const product: LinearProduct = (x, bias, y, tokens) => {
    const rows = activations.round(x, tokens, inputs, group);
    const weight = {
      ...{ outputs, inputs, form },
      starts: starts.integers,
      columns: columns.integers,
      values: values.integers,
      negatedSums: negatedSums.integers,
      scales: scales.data,
    };
    kernels.int8Forward(rows, weight, bias === null ? null : bias.data, y.data, tokens);
  };
  return { product, ...prepared(Object.values(held)) };
}

/** A table of 8-bit rows, and how rows are looked up. */
export interface PreparedTable extends Prepared {
  readonly lookup: TableLookup;
}

export function prepareInt8Table(backend: Backend, matrix: DenseInt8Matrix): PreparedTable {
  const { kernels } = backend;
  const [rows, width] = matrix.shape;
  const stride = rowBytes(width);
  const bytes = new Int8Array(rows * stride);
  for (let row = 0; row < rows; row++)
    bytes.set(matrix.values.subarray(row * width, (row + 1) * width), row * stride);
  const held = creating((hold) => ({
    table: hold(integersOf(backend, new Int32Array(bytes.buffer))),
    scales: hold(floatsOf(backend, Float32Array.from(matrix.scales, fromBfloat16))),
  }));
  const { table, scales } = held;
  const lookup: TableLookup = (ids, out, accumulate) => {
    const [from, to] = [table.integers, out.data];
    kernels.int8GatherRows(from, scales.data, ids.integers, to, width, accumulate);
  };
  return { lookup, ...prepared(Object.values(held)) };
}
