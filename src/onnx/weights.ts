/** Adds the parameters of a model to a graph, as float32 or as 8-bit integers. */

import { namesOfModule } from "../model/names.ts";
import type { NamedValues } from "../model/parameters.ts";
import { addNode, addTensor, type Graph } from "./graph.ts";
import { TensorProto_DataType as DataType } from "./onnx.generated.ts";
import { quantizeRows } from "./quantize.ts";

/** How weights of linear layers and embeddings are stored. */
export type Precision = "float32" | "int8";

/** The smallest and the largest element of a layer's input. */
export interface InputRange {
  readonly least: number;
  readonly largest: number;
}

/** A weight that was rounded. */
export interface RoundedWeight {
  readonly name: string;
  /** The largest difference between a stored element and the given one. */
  readonly error: number;
}

/** A graph, and the parameters that are added to it. */
export interface WeightedGraph {
  readonly graph: Graph;
  readonly read: (name: string) => NamedValues;
  readonly rounded: RoundedWeight[];
}

/** Adds a parameter as it is. Returns its name. */
export function addParameter({ graph, read }: WeightedGraph, name: string): string {
  const { shape, data } = read(name);
  return addTensor(graph, name, shape, data);
}

/**
 * Adds the weight of a linear layer, transposed to [inputs, outputs], as MatMul reads it. Returns the name of the
 * float32 matrix.
 */
export function addMatrix(to: WeightedGraph, module: string, precision: Precision): string {
  const { weight } = namesOfModule(module);
  const { shape, data } = to.read(weight);
  const [outputs = 0, inputs = 0] = shape;
  const transposed = [inputs, outputs];
  if (precision === "float32") {
    const elements = transpose(data, outputs, new Float32Array(data.length));
    return addTensor(to.graph, weight, transposed, elements, TRANSPOSED);
  }
  const { values, scales, error } = quantizeRows(weight, outputs, data);
  to.rounded.push({ name: weight, error });
  const elements = transpose(values, outputs, new Int8Array(values.length));
  const inputsOfNode = [
    addTensor(to.graph, `${weight}_quantized`, transposed, elements, TRANSPOSED),
    addTensor(to.graph, `${weight}_scale`, [outputs], scales),
    addTensor(to.graph, `${weight}_zero_point`, [outputs], new Int8Array(outputs)),
  ];
  return addNode(to.graph, weight, "DequantizeLinear", inputsOfNode, { axis: 1n });
}

const TRANSPOSED = "transposed: inputs x outputs";

/** Adds an embedding and its look-up. Returns the name of the found rows. */
export function addLookup(
  to: WeightedGraph,
  module: string,
  ids: string,
  precision: Precision,
): string {
  const { graph } = to;
  const { weight } = namesOfModule(module);
  if (precision === "float32")
    return addNode(graph, module, "Gather", [addParameter(to, weight), ids]);
  const { shape, data } = to.read(weight);
  const [rows = 0] = shape;
  const { values, scales, error } = quantizeRows(weight, rows, data);
  to.rounded.push({ name: weight, error });
  // Rows are looked up before they become floats, so that a runtime never converts the whole table.
  const table = addTensor(graph, `${weight}_quantized`, shape, values);
  const scaleTable = addTensor(graph, `${weight}_scale`, [rows, 1], scales);
  const found = addNode(graph, module, "Gather", [table, ids]);
  const scale = addNode(graph, `${module}/scale`, "Gather", [scaleTable, ids]);
  const float = addNode(graph, module, "Cast", [found], { to: BigInt(DataType.FLOAT) });
  return addNode(graph, module, "Mul", [float, scale]);
}

function transpose<T extends Float32Array | Int8Array>(from: T, rows: number, to: T): T {
  const columns = from.length / rows;
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      to[column * rows + row] = from[row * columns + column] ?? 0;
  return to;
}

/** The integers of a layer's input reach from 0 to this number. */
const LARGEST_INPUT = 255;

/** Rounds the input of a layer to integers within its range, and converts them back. Returns the name of the result. */
export function addRounding(
  graph: Graph,
  place: string,
  x: string,
  { least, largest }: InputRange,
): string {
  // Padding and zeros need an integer that stands for 0.
  const [low, high] = [Math.min(least, 0), Math.max(largest, 0)];
  const scale = Math.fround((high - low) / LARGEST_INPUT) || 1;
  const zeroPoint = Uint8Array.of(Math.round(-low / scale));
  const parameters = [
    addTensor(graph, `${place}/scale`, [], Float32Array.of(scale)),
    addTensor(graph, `${place}/zero_point`, [], zeroPoint),
  ];
  const integers = addNode(graph, place, "QuantizeLinear", [x, ...parameters]);
  return addNode(graph, place, "DequantizeLinear", [integers, ...parameters]);
}
