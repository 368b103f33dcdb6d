/** Collects the nodes and the stored tensors of an ONNX graph. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  TensorProto_DataType as DataType,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
} from "./onnx.generated.ts";

/** A graph to which nodes and tensors are added. Nodes name the values that they read. */
export interface Graph {
  readonly nodes: NodeProto[];
  readonly tensors: Map<string, TensorProto>;
}

/** An attribute of a node: a bigint is an integer, a number is a float. */
type Attribute = bigint | number | readonly bigint[];

/** The elements of a stored tensor, and their type in ONNX. */
export type Elements = Float32Array | BigInt64Array | Int8Array | Uint8Array;

export function createGraph(): Graph {
  return { nodes: [], tensors: new Map() };
}

function attribute(name: string, value: Attribute): MessageInitShape<typeof AttributeProtoSchema> {
  if (typeof value === "bigint") return { name, type: AttributeType.INT, i: value };
  if (typeof value === "number") return { name, type: AttributeType.FLOAT, f: value };
  return { name, type: AttributeType.INTS, ints: [...value] };
}

/**
 * Adds a node with one output. Returns the name of the output, which by default is the node's name:
 * `<place>/<operation>`.
 */
export function addNode(
  { nodes }: Graph,
  place: string,
  opType: string,
  input: readonly string[],
  attributes: Readonly<Record<string, Attribute>> = {},
  output = `${place}/${opType}`,
): string {
  nodes.push(
    create(NodeProtoSchema, {
      name: `${place}/${opType}`,
      opType,
      input: [...input],
      output: [output],
      attribute: Object.entries(attributes).map(([key, value]) => attribute(key, value)),
    }),
  );
  return output;
}

function dataType(elements: Elements): DataType {
  if (elements instanceof Float32Array) return DataType.FLOAT;
  if (elements instanceof BigInt64Array) return DataType.INT64;
  return elements instanceof Int8Array ? DataType.INT8 : DataType.UINT8;
}

/** Adds a stored tensor, without a copy of its elements. Returns its name. */
export function addTensor(
  { tensors }: Graph,
  name: string,
  shape: readonly number[],
  elements: Elements,
  docString = "",
): string {
  const { buffer, byteOffset, byteLength } = elements;
  tensors.set(
    name,
    create(TensorProtoSchema, {
      name,
      docString,
      dims: shape.map(BigInt),
      dataType: dataType(elements),
      rawData: new Uint8Array(buffer, byteOffset, byteLength),
    }),
  );
  return name;
}

/** Adds a constant once: a float, or a list of integers. Returns its name. */
export function constant(graph: Graph, value: number | readonly bigint[]): string {
  if (typeof value === "number") return once(graph, `float/${value}`, [], Float32Array.of(value));
  return once(graph, `integers/${value.join()}`, [value.length], BigInt64Array.from(value));
}

/** Adds an integer without dimensions once. Returns its name. */
export function scalarInteger(graph: Graph, value: bigint): string {
  return once(graph, `integer/${value}`, [], BigInt64Array.of(value));
}

function once(graph: Graph, name: string, shape: readonly number[], elements: Elements): string {
  return graph.tensors.has(name) ? name : addTensor(graph, name, shape, elements);
}
