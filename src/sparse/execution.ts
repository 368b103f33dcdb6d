import type { LinearProduct } from "../autograd/records.ts";
import { checkObject } from "../core/checks.ts";
import { sumOf } from "../core/sum.ts";
import type { Backend } from "../kernels/backend.ts";
import { type BlockHeight, workingSpace } from "../kernels/block-sparse.ts";
import { createIntegerTensor, createTensor, creating, Tensor } from "../tensor/tensor.ts";
import { type BlockShape, packBlocks } from "./blocks.ts";
import { packChannels } from "./channels.ts";
import { bitsOf, type MatrixShape } from "./elements.ts";
import { occupancyOf } from "./occupancy.ts";

/** How inference computes y = W x + b: with floats, or with bytes if the weight is stored in eight bits. */
export type Execution = FloatExecution | Int8Execution;

/** With floats: densely, by kept blocks of `height` x 1, or without zero rows and columns of W. */
export type FloatExecution =
  | { readonly kind: "dense" }
  | { readonly kind: "blocks"; readonly height: BlockHeight }
  | { readonly kind: "compacted" };

/** With bytes, by the blocks that are stored; null for all elements. */
export interface Int8Execution {
  readonly kind: "int8";
  readonly block: BlockShape | null;
}

export const EXECUTION_KINDS: readonly Execution["kind"][] = [
  "dense",
  "blocks",
  "compacted",
  "int8",
];

export interface LinearFacts {
  readonly outputs: number;
  readonly inputs: number;
  /** The number of kept blocks for each block height that divides the number of outputs. */
  readonly blocks: ReadonlyMap<BlockHeight, number>;
  /** The number of rows with an element that is not zero. */
  readonly rows: number;
  /** The number of columns with an element that is not zero. */
  readonly columns: number;
}

/**
 * Replaces -0 (a negative weight times a zero mask) with +0, because layouts would store -0 as an element. Returns the
 * given array if it has none.
 */
function withPositiveZeros(weight: Float32Array): Float32Array {
  const bits = bitsOf(weight);
  const first = bits.indexOf(NEGATIVE_ZERO);
  if (first < 0) return weight;
  const plain = weight.slice();
  for (let i = first; i < plain.length; i++) plain[i] += 0;
  return plain;
}

/** The bits of -0. */
const NEGATIVE_ZERO = 0x8000_0000;

/** Counts the kept blocks, rows and columns of a weight [outputs, inputs]. -0 counts as zero. */
export function linearFacts(weight: Float32Array, shape: MatrixShape): LinearFacts {
  const [outputs, inputs] = shape;
  return { outputs, inputs, ...occupancyOf(weight, shape) };
}

/** Lists the possible executions of a weight with floats, dense first. */
export function executionsOf({
  blocks,
}: LinearFacts): readonly [FloatExecution, ...FloatExecution[]] {
  const heights = [...blocks.keys()].map((height) => ({ kind: "blocks" as const, height }));
  return [{ kind: "dense" }, ...heights, { kind: "compacted" }];
}

/**
 * Formats an execution as text, such as `dense`, `compacted`, `blocks 4x1`, `int8 dense` or `int8 blocks 4x1`.
 */
export function formatExecution(execution: Execution): string {
  checkObject("execution", execution, "kind");
  switch (execution.kind) {
    case "blocks":
      return `blocks ${execution.height}x1`;
    case "int8":
      return execution.block === null ? "int8 dense" : `int8 blocks ${execution.block.join("x")}`;
    case "dense":
    case "compacted":
      return execution.kind;
    default:
      return execution satisfies never;
  }
}

/** A weight in a form for inference. */
export interface Prepared {
  /** The size of the weight in this form, in bytes. */
  readonly bytes: number;
  release(): void;
}

export interface PreparedProduct extends Prepared {
  readonly product: LinearProduct;
}

export function prepareProduct(
  backend: Backend,
  weight: Float32Array,
  shape: MatrixShape,
  execution: Exclude<FloatExecution, { kind: "dense" }>,
): PreparedProduct {
  const plain = withPositiveZeros(weight);
  return execution.kind === "blocks"
    ? prepareBlocks(backend, plain, shape, execution.height)
    : prepareCompacted(backend, plain, shape);
}

/** Creates a tensor of integers, with at least one element, because an extent may not be zero. */
export function integersOf(backend: Backend, values: ArrayLike<number>): Tensor {
  const integers = Int32Array.from(values.length === 0 ? [0] : values);
  return createIntegerTensor(backend, [integers.length], integers);
}

/** Creates a tensor of floats, with at least one element. */
export function floatsOf(backend: Backend, values: Float32Array): Tensor {
  const floats = values.length === 0 ? new Float32Array(1) : values;
  return createTensor(backend, [floats.length], floats);
}

/** Returns the size of the tensors of a weight, and a function that releases them. */
export function prepared(held: readonly Tensor[]): Prepared {
  return {
    bytes: sumOf(held, ({ region }) => 4 * region.length),
    release: () => {
      for (const tensor of held) tensor.release();
    },
  };
}

function prepareBlocks(
  backend: Backend,
  weight: Float32Array,
  shape: MatrixShape,
  height: BlockHeight,
): PreparedProduct {
  const { kernels, memory } = backend;
  const [outputs, inputs] = shape;
  const packed = packBlocks(weight, shape, [height, 1]);
  const held = creating((hold) => ({
    starts: hold(integersOf(backend, packed.starts)),
    columns: hold(integersOf(backend, packed.columns)),
    values: hold(floatsOf(backend, packed.values)),
  }));
  const { starts, columns, values } = held;
  const product: LinearProduct = (x, bias, y, rows) => {
    const length = workingSpace(height, inputs);
    const tile = new Tensor(memory, [length], memory.reserve(length));
    const matrix = {
      outputs,
      inputs,
      height,
      starts: starts.integers,
      columns: columns.integers,
      values: values.data,
    };
    const biases = bias === null ? null : bias.data;
    try {
      kernels.blockSparseForward(x.data, matrix, biases, y.data, 0, rows, tile.data);
    } finally {
      tile.release();
    }
  };
  return { product, ...prepared(Object.values(held)) };
}

/** The number of floats in a cache line. */
const LINE = 16;

function prepareCompacted(
  backend: Backend,
  weight: Float32Array,
  shape: MatrixShape,
): PreparedProduct {
  const { kernels, memory } = backend;
  const [outputs, inputs] = shape;
  const packed = packChannels(weight, shape);
  const [rows, columns] = [packed.rows.length, packed.columns.length];
  const held = creating((hold) => ({
    rowNumbers: hold(integersOf(backend, packed.rows)),
    columnNumbers: hold(integersOf(backend, packed.columns)),
    values: hold(floatsOf(backend, packed.values)),
  }));
  const { rowNumbers, columnNumbers, values } = held;
  const [gathers, scatters] = [columns > 0 && columns < inputs, rows > 0 && rows < outputs];
  const product: LinearProduct = (x, bias, y, tokens) => {
    // Reserved before any view is made, because a reservation may grow the memory and invalidate views. `to` starts at
    // a cache line.
    const gathered = gathers ? Math.ceil((tokens * columns) / LINE) * LINE : 0;
    const scattered = scatters ? tokens * rows : 0;
    const length = Math.max(1, gathered + scattered);
    const room = new Tensor(memory, [length], memory.reserve(length));
    try {
      const from = room.data.subarray(0, gathered);
      const to = room.data.subarray(gathered, gathered + scattered);
      if (gathers) {
        const numbers = columnNumbers.integers.subarray(0, columns);
        kernels.gatherColumns(x.data, numbers, from, tokens, inputs);
      }
      const source = gathers ? from : x.data;
      const target = scatters ? to : y.data;
      if (rows < outputs || columns === 0) kernels.fill(y.data.subarray(0, tokens * outputs), 0);
      if (rows > 0 && columns > 0) {
        const [m, n, k] = [tokens, rows, columns];
        kernels.gemm("nt", m, n, k, source, 0, k, values.data, 0, k, target, 0, n, false);
      }
      if (scatters && columns > 0) {
        const numbers = rowNumbers.integers.subarray(0, rows);
        kernels.scatterColumns(to, numbers, y.data, tokens, outputs);
      }
      if (bias !== null) kernels.addBias(y.data, bias.data, tokens, outputs);
    } finally {
      room.release();
    }
  };
  return { product, ...prepared(Object.values(held)) };
}
