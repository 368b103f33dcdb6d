/** The products with block-sparse weights on WASM: checks extents, hands over addresses. */
import {
  BLOCK_OUTPUTS,
  type BlockSparseKernels,
  type BlockSparseMatrix,
  TILE_TOKENS,
} from "./block-sparse.ts";
import { checkCount } from "./extents.ts";
import type { KernelModule } from "./kernel-module.ts";

type Run = (...values: number[]) => void;

type BlockSparseExports = Readonly<Record<keyof BlockSparseKernels, Run>>;

/** The kernels. They refuse arrays that are too short, and ranges beyond them. */
export function blockSparseKernels({ exports, addressOf }: KernelModule): BlockSparseKernels {
  const run = exports as unknown as BlockSparseExports;
  const at = (name: string, array: Float32Array | Int32Array, count: number): number => {
    checkCount(name, array, count);
    return addressOf(array);
  };
  const blocksOf = (matrix: BlockSparseMatrix) => {
    const rows = matrix.outputs / BLOCK_OUTPUTS;
    const starts = at("starts", matrix.starts, rows + 1);
    const blocks = matrix.starts[rows];
    const columns = at("columns", matrix.columns, blocks);
    return { rows, blocks, starts, columns, values: at("values", matrix.values, 4 * blocks) };
  };
  return {
    blockSparseGather(weight, matrix) {
      const { outputs, inputs } = matrix;
      const { rows, starts, columns, values } = blocksOf(matrix);
      const from = at("weight", weight, outputs * inputs);
      run.blockSparseGather(from, inputs, rows, starts, columns, values);
    },
    blockSparseForward(x, matrix, bias, y, first, end, tile) {
      const { outputs, inputs } = matrix;
      const { starts, columns, values } = blocksOf(matrix);
      if (!isRange("tokens", first, end)) return;
      run.blockSparseForward(
        at("x", x, end * inputs) + first * inputs * 4,
        end - first,
        inputs,
        outputs,
        starts,
        columns,
        values,
        bias === null ? 0 : at("bias", bias, outputs),
        at("y", y, end * outputs) + first * outputs * 4,
        at("tile", tile, TILE_TOKENS * inputs),
      );
    },
    blockSparseInputGradient(dy, matrix, dx, accumulate, first, end, tile) {
      const { outputs, inputs } = matrix;
      const { starts, columns, values } = blocksOf(matrix);
      if (!isRange("tokens", first, end)) return;
      run.blockSparseInputGradient(
        at("dy", dy, end * outputs) + first * outputs * 4,
        end - first,
        inputs,
        outputs,
        starts,
        columns,
        values,
        at("dx", dx, end * inputs) + first * inputs * 4,
        accumulate ? 1 : 0,
        at("tile", tile, TILE_TOKENS * inputs),
      );
    },
    blockSparseWeightGradient(dy, x, matrix, dWeight, tokens, first, end, tile, sums) {
      const { outputs, inputs } = matrix;
      const { rows, blocks, starts, columns } = blocksOf(matrix);
      if (!isRange("block rows", first, end, rows)) return;
      run.blockSparseWeightGradient(
        at("dy", dy, tokens * outputs),
        at("x", x, tokens * inputs),
        tokens,
        inputs,
        outputs,
        starts,
        columns,
        at("dWeight", dWeight, outputs * inputs),
        first,
        end,
        at("tile", tile, TILE_TOKENS * inputs),
        at("sums", sums, 4 * blocks),
      );
    },
  };
}

/** Whether there is anything in a range; refuses one that is none. */
function isRange(name: string, first: number, end: number, most: number = Infinity): boolean {
  if (first < 0 || end < first || end > most)
    throw new RangeError(`${name}: expected a range up to ${most}, got ${first} to ${end}`);
  return first < end;
}
