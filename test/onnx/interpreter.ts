/** Runs an ONNX graph in double precision: the operators that exported models use, as plainly as possible. */
import type { GraphProto, NodeProto, TensorProto } from "../../src/onnx/onnx.generated.ts";
import { TensorProto_DataType as DataType } from "../../src/onnx/onnx.generated.ts";

export interface Value {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

/** Returns the elements of a stored tensor. */
export function storedValue({ dims, dataType, rawData }: TensorProto): Value {
  const { buffer } = rawData.slice();
  const arrays: Partial<Record<DataType, ArrayLike<number | bigint>>> = {
    [DataType.FLOAT]: new Float32Array(buffer, 0, Math.floor(rawData.length / 4)),
    [DataType.INT64]: new BigInt64Array(buffer, 0, Math.floor(rawData.length / 8)),
    [DataType.INT8]: new Int8Array(buffer),
    [DataType.UINT8]: new Uint8Array(buffer),
  };
  const elements = arrays[dataType as DataType];
  if (elements === undefined) throw new Error(`data type ${dataType}`);
  return { shape: dims.map(Number), data: Array.from(elements, Number) };
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

/** Returns the offset of each element of `shape` in a value that is broadcast to it. */
function broadcastOffsets(from: readonly number[], shape: readonly number[]): readonly number[] {
  return Array.from({ length: sizeOf(shape) }, (_, index) => {
    let [offset, stride, rest] = [0, 1, index];
    for (let axis = 1; axis <= shape.length; axis++) {
      const length = shape.at(-axis) ?? 1;
      const own = axis <= from.length ? (from.at(-axis) ?? 1) : 1;
      if (own !== 1 && own !== length) throw new Error(`cannot broadcast ${from} to ${shape}`);
      offset += own === 1 ? 0 : (rest % length) * stride;
      stride *= own;
      rest = Math.floor(rest / length);
    }
    return offset;
  });
}

function broadcastShape(a: readonly number[], b: readonly number[]): readonly number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) =>
    Math.max(a.at(axis - rank) ?? 1, b.at(axis - rank) ?? 1),
  );
}

function pairwise(a: Value, b: Value, combine: (x: number, y: number) => number): Value {
  const shape = broadcastShape(a.shape, b.shape);
  const [left, right] = [broadcastOffsets(a.shape, shape), broadcastOffsets(b.shape, shape)];
  const data = left.map((offset, i) =>
    combine(a.data[offset] ?? NaN, b.data[right[i] ?? -1] ?? NaN),
  );
  return { shape, data };
}

function each({ shape, data }: Value, compute: (x: number) => number): Value {
  return { shape, data: data.map(compute) };
}

/** The error function, by its series near 0 and by a continued fraction elsewhere. */
function erf(x: number): number {
  const size = Math.abs(x);
  if (size > 6) return Math.sign(x);
  if (size < 3) {
    let [term, sum] = [x, x];
    for (let n = 1; n < 80; n++) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = size;
  for (let n = 60; n > 0; n--) fraction = size + n / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-x * x) / fraction / Math.sqrt(Math.PI));
}

function roundToEven(x: number): number {
  const floor = Math.floor(x);
  return x - floor === 0.5 ? floor + (floor % 2) : Math.round(x);
}

function matMul(a: Value, b: Value): Value {
  const [rows, inner] = [a.shape.at(-2) ?? 1, a.shape.at(-1) ?? 1];
  const columns = b.shape.at(-1) ?? 1;
  if (b.shape.at(-2) !== inner) throw new Error(`cannot multiply ${a.shape} by ${b.shape}`);
  const batches = broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const [left, right] = [a, b].map(({ shape }) => broadcastOffsets(shape.slice(0, -2), batches));
  const data = Array.from({ length: sizeOf(batches) * rows * columns }, (_, index) => {
    const [batch, row] = [Math.floor(index / rows / columns), Math.floor(index / columns) % rows];
    const begin = ((left?.[batch] ?? 0) * rows + row) * inner;
    const other = (right?.[batch] ?? 0) * inner * columns + (index % columns);
    let sum = 0;
    for (let k = 0; k < inner; k++)
      sum += (a.data[begin + k] ?? NaN) * (b.data[other + k * columns] ?? NaN);
    return sum;
  });
  return { shape: [...batches, rows, columns], data };
}

function gather({ shape, data }: Value, indices: Value, axis: number): Value {
  const length = shape[axis] ?? 0;
  const [before, after] = [sizeOf(shape.slice(0, axis)), sizeOf(shape.slice(axis + 1))];
  const found = Array.from({ length: before }, (_, outer) =>
    indices.data.map((index) => {
      if (index < 0 || index >= length) throw new Error(`index ${index} of ${length}`);
      const begin = (outer * length + index) * after;
      return data.slice(begin, begin + after);
    }),
  );
  return {
    shape: [...shape.slice(0, axis), ...indices.shape, ...shape.slice(axis + 1)],
    data: found.flat(2),
  };
}

function transpose({ shape, data }: Value, perm: readonly number[]): Value {
  const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  const target = perm.map((axis) => shape[axis] ?? 0);
  const moved = Array.from({ length: data.length }, (_, index) => {
    let [offset, rest] = [0, index];
    for (let axis = perm.length - 1; axis >= 0; axis--) {
      offset += (rest % (target[axis] ?? 1)) * (strides[perm[axis] ?? 0] ?? 0);
      rest = Math.floor(rest / (target[axis] ?? 1));
    }
    return data[offset] ?? NaN;
  });
  return { shape: target, data: moved };
}

/** Replaces each run of elements along the last axis. */
function byRow(
  { shape, data }: Value,
  compute: (row: readonly number[]) => readonly number[],
): Value {
  const width = shape.at(-1) ?? 1;
  const rows = Array.from({ length: data.length / width }, (_, row) =>
    compute(data.slice(row * width, (row + 1) * width)),
  );
  return { shape, data: rows.flat() };
}

function softmax(row: readonly number[]): readonly number[] {
  const largest = Math.max(...row);
  const powers = row.map((x) => Math.exp(x - largest));
  const sum = powers.reduce((total, x) => total + x, 0);
  return powers.map((x) => x / sum);
}

function normalise(row: readonly number[], epsilon: number): readonly number[] {
  const mean = row.reduce((total, x) => total + x, 0) / row.length;
  const variance = row.reduce((total, x) => total + (x - mean) ** 2, 0) / row.length;
  return row.map((x) => (x - mean) / Math.sqrt(variance + epsilon));
}

function cumulative(row: readonly number[]): readonly number[] {
  let sum = 0;
  return row.map((x) => {
    sum += x;
    return sum;
  });
}

function reshape({ shape, data }: Value, wanted: Value): Value {
  const target = wanted.data.map((length, axis) => (length === 0 ? (shape[axis] ?? 0) : length));
  if (sizeOf(target) !== data.length) throw new Error(`cannot reshape ${shape} to ${target}`);
  return { shape: target, data };
}

/** Broadcasts a vector along an axis of a value with `rank` dimensions. */
function along({ shape, data }: Value, axis: number, rank: number): Value {
  return { shape: [...shape, ...Array.from({ length: rank - axis - 1 }, () => 1)], data };
}

const NONE: Value = { shape: [], data: [] };

function run(
  { opType, attribute }: NodeProto,
  [a = NONE, b = NONE, c = NONE]: readonly Value[],
): Value {
  const integer = (name: string): number =>
    Number(attribute.find((one) => one.name === name)?.i ?? 0);
  switch (opType) {
    case "Add":
      return pairwise(a, b, (x, y) => x + y);
    case "Sub":
      return pairwise(a, b, (x, y) => x - y);
    case "Mul":
      return pairwise(a, b, (x, y) => x * y);
    case "Div":
      return pairwise(a, b, (x, y) => x / y);
    case "Pow":
      return pairwise(a, b, (x, y) => x ** y);
    case "Equal":
      return pairwise(a, b, (x, y) => Number(x === y));
    case "Not":
      return each(a, (x) => 1 - x);
    case "Cast":
      return a;
    case "Erf":
      return each(a, erf);
    case "Tanh":
      return each(a, Math.tanh);
    case "Relu":
      return each(a, (x) => Math.max(0, x));
    case "Sigmoid":
      return each(a, (x) => 1 / (1 + Math.exp(-x)));
    case "MatMul":
      return matMul(a, b);
    case "Gather":
      return gather(a, b, integer("axis"));
    case "Transpose":
      return transpose(a, attribute.find(({ name }) => name === "perm")?.ints.map(Number) ?? []);
    case "Reshape":
      return reshape(a, b);
    case "Unsqueeze": {
      const shape = [...a.shape];
      for (const axis of b.data) shape.splice(axis, 0, 1);
      return { shape, data: a.data };
    }
    case "Shape":
      return { shape: [a.shape.length], data: a.shape };
    case "Range": {
      const length = (b.data[0] ?? 0) - (a.data[0] ?? 0);
      return { shape: [length], data: Array.from({ length }, (_, i) => (a.data[0] ?? 0) + i) };
    }
    case "CumSum":
      return byRow(a, cumulative);
    case "Softmax":
      return byRow(a, softmax);
    case "LayerNormalization": {
      const epsilon = attribute.find(({ name }) => name === "epsilon")?.f ?? NaN;
      const scaled = pairwise(
        byRow(a, (row) => normalise(row, epsilon)),
        b,
        (x, y) => x * y,
      );
      return pairwise(scaled, c, (x, y) => x + y);
    }
    case "QuantizeLinear": {
      const integers = pairwise(
        pairwise(a, b, (x, y) => roundToEven(x / y)),
        c,
        (x, y) => x + y,
      );
      return each(integers, (x) => Math.min(255, Math.max(0, x)));
    }
    case "DequantizeLinear": {
      const [axis, rank] = [integer("axis"), a.shape.length];
      const centred = pairwise(a, along(c, axis, rank), (x, y) => x - y);
      return pairwise(centred, along(b, axis, rank), (x, y) => x * y);
    }
    default:
      throw new Error(`operator ${opType}`);
  }
}

/** Computes the outputs of a graph by name. */
export function interpret(
  graph: GraphProto,
  inputs: Readonly<Record<string, Value>>,
): ReadonlyMap<string, Value> {
  const values = new Map<string, Value>([
    ...graph.initializer.map((tensor) => [tensor.name, storedValue(tensor)] as const),
    ...Object.entries(inputs),
  ]);
  for (const node of graph.node) {
    const given = node.input.map((name) => {
      const value = values.get(name);
      if (value === undefined) throw new Error(`${node.name} reads ${name} before it is computed`);
      return value;
    });
    values.set(node.output[0] ?? "", run(node, given));
  }
  return new Map(graph.output.map(({ name }) => [name, values.get(name) ?? NONE]));
}
