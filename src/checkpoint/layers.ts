/**
 * Finds the layers of a checkpoint and their positions in its tensors. A layer's weight has its outputs first, as
 * pruning patterns require. A tensor of experts holds one layer for each expert.
 */
import { elementCount, type LayerKind } from "../prune/layer.ts";
import type { TensorFacts } from "./roles.ts";

/** A layer, and the position of its weight in a tensor. */
export interface CheckpointLayer {
  /** The module's name, followed by `[i]` for expert `i`. */
  readonly name: string;
  readonly tensor: string;
  readonly kind: LayerKind;
  /**
   * The shape with outputs first: [out, in], [out, in, k] or [out, in, kh, kw]. A kernel with three or more dimensions
   * is flattened to one dimension.
   */
  readonly shape: readonly number[];
  /** The index of the layer's first element in the tensor. */
  readonly offset: number;
  /** Whether the inputs come before the outputs in the tensor's shape. */
  readonly inputsFirst: boolean;
}

/** Returns the name of a tensor's module: the tensor's name without `.weight` or `.weight_orig`. */
export function moduleName(tensor: string): string {
  return tensor.replace(/\.weight(_orig)?$/, "");
}

function kindOf(rank: number): LayerKind {
  if (rank === 2) return "linear";
  return rank === 4 ? "conv2d" : "conv1d";
}

/** Returns the layers of a tensor; an empty list if the tensor has no axes. */
export function layersOfTensor({
  name,
  shape,
  role,
  axes,
}: TensorFacts): readonly CheckpointLayer[] {
  if (axes === null) return [];
  const inputsFirst = axes === "in,out";
  const isStack = role === "experts";
  const [experts = 1, ...rest] = isStack ? shape : [1, ...shape];
  const [first = 0, second = 0, ...kernel] = rest;
  const positions = kernel.length > 2 ? [elementCount(kernel)] : kernel;
  const outputsFirst = inputsFirst ? [second, first, ...positions] : [first, second, ...positions];
  const size = elementCount(rest);
  const module = moduleName(name);
  return Array.from({ length: experts }, (_, i) => ({
    name: isStack ? `${module}[${i}]` : module,
    tensor: name,
    kind: kindOf(outputsFirst.length),
    shape: outputsFirst,
    offset: i * size,
    inputsFirst,
  }));
}

interface Numbers {
  readonly [index: number]: number;
}

interface MutableNumbers {
  [index: number]: number;
}

/** Copies an array [rows, columns, positions] into `out`, from index `begin`, as [columns, rows, positions]. */
function swapAxesInto(
  from: Numbers,
  rows: number,
  columns: number,
  positions: number,
  out: MutableNumbers,
  begin: number,
): void {
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const source = (row * columns + column) * positions;
      const target = begin + (column * rows + row) * positions;
      for (let i = 0; i < positions; i++) out[target + i] = from[source + i] as number;
    }
}

/**
 * Returns the values of a layer, outputs first: a view of its tensor's values, or a transposed copy if the tensor has
 * inputs first.
 */
export function layerValues<Values extends Float32Array | Float64Array>(
  { shape, offset, inputsFirst }: CheckpointLayer,
  values: Values,
): Values {
  const own = values.subarray(offset, offset + elementCount(shape)) as Values;
  if (!inputsFirst) return own;
  const [outputs = 0, inputs = 0, ...kernel] = shape;
  const out = own.slice() as Values;
  swapAxesInto(own, inputs, outputs, elementCount(kernel), out, 0);
  return out;
}

/** Writes the mask of a layer into the mask of its tensor. */
export function storeMaskInto(
  { shape, offset, inputsFirst }: CheckpointLayer,
  mask: Uint8Array,
  out: Uint8Array,
): void {
  const [outputs = 0, inputs = 0, ...kernel] = shape;
  if (inputsFirst) swapAxesInto(mask, outputs, inputs, elementCount(kernel), out, offset);
  else out.set(mask, offset);
}
