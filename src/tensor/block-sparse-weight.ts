/** The kept blocks of a pruned weight, stored in a backend's memory in addition to the dense weight. */
import { checkInteger } from "../core/checks.ts";
import type { Backend } from "../kernels/backend.ts";
import {
  BLOCK_OUTPUTS,
  type BlockSparseMatrix,
  weightGradientSpace,
  workingSpace,
} from "../kernels/block-sparse.ts";
import { elementCount, formatShape, type Shape } from "./shape.ts";
import { creating, Tensor } from "./tensor.ts";

/** The positions of the kept 4x1 blocks of a weight [outputs, inputs]. */
export interface KeptBlocks {
  readonly outputs: number;
  readonly inputs: number;
  /** The index of the first block of each block row, then the total number of blocks. Length: outputs / 4 + 1. */
  readonly starts: Int32Array;
  /** The input (column) of each block, ascending within a block row. */
  readonly columns: Int32Array;
}

/** The kept blocks of a weight with their values, and scratch space (`tile`) for one product at a time. */
export interface BlockSparseWeight {
  readonly outputs: number;
  readonly inputs: number;
  readonly blocks: number;
  readonly starts: Tensor;
  readonly columns: Tensor;
  /** The values of each block, copied from the dense weight by the latest {@link refreshBlockSparseWeight}. */
  readonly values: Tensor;
  readonly tile: Tensor;
}

/**
 * Finds the blocks that have at least one element that all masks keep.
 *
 * @param shape - [outputs, inputs]; outputs are a multiple of four
 * @param masks - one or more masks of the weight; 1 = kept
 * @throws RangeError if the shape is not [outputs, inputs] with a multiple of four outputs, or a mask has the wrong
 *   length
 */
export function keptBlocks(shape: Shape, masks: readonly Uint8Array[]): KeptBlocks {
  const [outputs = 0, inputs = 0] = shape;
  if (shape.length !== 2 || outputs % BLOCK_OUTPUTS !== 0) {
    const expected = `[outputs, inputs] with outputs a multiple of ${BLOCK_OUTPUTS}`;
    throw new RangeError(`shape: expected ${expected}, got ${formatShape(shape)}`);
  }
  for (const [i, { length }] of masks.entries())
    checkInteger(`masks[${i}].length`, length, outputs * inputs, outputs * inputs);
  const starts = new Int32Array(outputs / BLOCK_OUTPUTS + 1);
  const columns = new Int32Array((outputs / BLOCK_OUTPUTS) * inputs);
  const kept = intersection(masks);
  let count = 0;
  for (let row = 0; row + 1 < starts.length; row++) {
    const start = row * BLOCK_OUTPUTS * inputs;
    for (let input = 0; input < inputs; input++) {
      let any = 0;
      for (let r = 0; r < BLOCK_OUTPUTS; r++) any |= kept[start + r * inputs + input];
      if (any !== 0) columns[count++] = input;
    }
    starts[row + 1] = count;
  }
  return { outputs, inputs, starts, columns: columns.slice(0, count) };
}

function intersection([first, ...others]: readonly Uint8Array[]): Uint8Array {
  if (others.length === 0) return first;
  return first.map((bit, i) => (others.every((mask) => mask[i] !== 0) ? bit : 0));
}

/**
 * Copies the kept blocks of a dense weight into new tensors.
 *
 * @throws RangeError if the weight does not have `outputs` x `inputs` elements
 */
export function createBlockSparseWeight(
  backend: Backend,
  { outputs, inputs, starts, columns }: KeptBlocks,
  dense: Tensor,
): BlockSparseWeight {
  const { memory } = backend;
  const blocks = columns.length;
  return creating((hold) => {
    const reserve = (length: number): Tensor =>
      hold(new Tensor(memory, [length], memory.reserve(Math.max(1, length))));
    const weight = {
      outputs,
      inputs,
      blocks,
      starts: reserve(starts.length),
      columns: reserve(blocks),
      values: reserve(BLOCK_OUTPUTS * blocks),
      tile: reserve(Math.max(workingSpace(BLOCK_OUTPUTS, inputs), weightGradientSpace(inputs))),
    };
    weight.starts.integers.set(starts);
    weight.columns.integers.set(columns);
    refreshBlockSparseWeight(backend, weight, dense);
    return weight;
  });
}

/**
 * Copies the current values of the kept blocks from the dense weight again.
 *
 * @throws RangeError if the dense weight does not have `outputs` x `inputs` elements
 */
export function refreshBlockSparseWeight(
  { kernels }: Backend,
  weight: BlockSparseWeight,
  dense: Tensor,
): void {
  const { outputs, inputs } = weight;
  if (elementCount(dense.shape) !== outputs * inputs) {
    const expected = formatShape([outputs, inputs]);
    throw new RangeError(`dense: expected shape ${expected}, got ${formatShape(dense.shape)}`);
  }
  kernels.blockSparseGather(dense.data, matrixOf(weight));
}

/** Returns views of the weight's arrays for the kernels. The views become invalid when the backend's memory grows. */
export function matrixOf(weight: BlockSparseWeight): BlockSparseMatrix {
  const { outputs, inputs, starts, columns, values } = weight;
  return {
    outputs,
    inputs,
    height: BLOCK_OUTPUTS,
    starts: starts.integers,
    columns: columns.integers,
    values: values.data,
  };
}

export function releaseBlockSparseWeight(weight: BlockSparseWeight): void {
  const { starts, columns, values, tile } = weight;
  for (const tensor of [starts, columns, values, tile]) tensor.release();
}
