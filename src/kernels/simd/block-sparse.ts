/** The products with block-sparse weights on WASM: checks extents, hands over addresses. */
import {
  BLOCK_HEIGHTS,
  BLOCK_OUTPUTS,
  type BlockHeight,
  type BlockSparseKernels,
  type BlockSparseMatrix,
  SHARD_TOKENS,
  shardsOf,
  TURNED_OUTPUTS,
  tileTokens,
  weightGradientSpace,
  workingSpace,
} from "../block-sparse.ts";
import { checkCount } from "../extents.ts";
import { WORKSPACE_FLOATS } from "../wasm/gemm-blocking.ts";
import type { KernelModule } from "./kernel-module.ts";
import { partLength, type WasmFunction } from "./scheduler.ts";

/** Multiplications that are worth a part of their own. */
const LEAST_WORK = 1 << 20;
/** The same of blocks whose sums are added to a weight's gradient. */
const LEAST_ADDED = 1 << 11;

/** How large parts are: at least `least`, and a multiple of `step` but for the last one. */
interface PartSize {
  readonly least: number;
  readonly step: number;
}

/** The kernels. They refuse arrays that are too short, and ranges beyond them. */
export function blockSparseKernels(module: KernelModule): BlockSparseKernels {
  const { addressOf, scheduler } = module;
  const run = scheduler.functions as Readonly<Record<keyof BlockSparseKernels, WasmFunction>>;
  const forwards = new Map<BlockHeight, WasmFunction>(
    BLOCK_HEIGHTS.map((height) => [height, scheduler.functions[`blockSparseForward${height}`]]),
  );
  const at = (name: string, array: Float32Array | Int32Array, count: number): number => {
    checkCount(name, array, count);
    return addressOf(array);
  };
  const blocksOf = (matrix: BlockSparseMatrix) => {
    const { height } = matrix;
    const rows = matrix.outputs / height;
    const starts = at("starts", matrix.starts, rows + 1);
    const blocks = matrix.starts[rows];
    const columns = at("columns", matrix.columns, blocks);
    const values = at("values", matrix.values, height * blocks);
    return { rows, blocks, starts, columns, values };
  };
  const foursOf = (matrix: BlockSparseMatrix) => {
    if (matrix.height === BLOCK_OUTPUTS) return blocksOf(matrix);
    throw new RangeError(`height: expected ${BLOCK_OUTPUTS}, got ${matrix.height}`);
  };
  const inParts = (
    [first, end]: readonly [number, number],
    { least, step }: PartSize,
    body: (first: number, end: number) => void,
  ): void => {
    const part = partLength(scheduler, end - first, least, step);
    scheduler.openGroup();
    for (let from = first; from < end; from += part) body(from, Math.min(from + part, end));
    scheduler.closeGroup();
  };
  /** Runs a range in parts; `tile` is the caller's where one thread runs it, else each thread's own (0). */
  const inRange = (
    range: readonly [number, number],
    size: PartSize,
    [tile, length]: readonly [Float32Array, number],
    body: (first: number, end: number, tile: number) => void,
  ): void => {
    const tileAt = at("tile", tile, length);
    if (scheduler.threads === 1 || length > WORKSPACE_FLOATS) body(...range, tileAt);
    else inParts(range, size, (from, to) => body(from, to, 0));
  };
  return {
    blockSparseGather(weight, matrix) {
      const { outputs, inputs } = matrix;
      const { rows, starts, columns, values } = foursOf(matrix);
      const from = at("weight", weight, outputs * inputs);
      run.blockSparseGather(from, inputs, rows, starts, columns, values);
    },
    blockSparseForward(x, matrix, bias, y, first, end, tile) {
      const { outputs, inputs, height } = matrix;
      const forward = forwards.get(height);
      if (forward === undefined || outputs % height !== 0) {
        const heights = BLOCK_HEIGHTS.join(", ");
        throw new RangeError(
          `height: expected one of ${heights} that divides ${outputs} outputs, got ${height}`,
        );
      }
      const { blocks, starts, columns, values } = blocksOf(matrix);
      if (!isRange("tokens", first, end)) return;
      const xAt = at("x", x, end * inputs);
      const yAt = at("y", y, end * outputs);
      const biasAt = bias === null ? 0 : at("bias", bias, outputs);
      const room = [tile, workingSpace(height, inputs)] as const;
      const parts = tokensOf(blocks * height, tileTokens(height));
      inRange([first, end], parts, room, (from, to, tileAt) => {
        forward(
          xAt + from * inputs * 4,
          to - from,
          inputs,
          outputs,
          starts,
          columns,
          values,
          biasAt,
          yAt + from * outputs * 4,
          tileAt,
        );
      });
    },
    blockSparseInputGradient(dy, matrix, dx, accumulate, first, end, tile) {
      const { outputs, inputs } = matrix;
      const { blocks, starts, columns, values } = foursOf(matrix);
      if (!isRange("tokens", first, end)) return;
      const dyAt = at("dy", dy, end * outputs);
      const dxAt = at("dx", dx, end * inputs);
      const room = [tile, workingSpace(BLOCK_OUTPUTS, inputs)] as const;
      const parts = tokensOf(BLOCK_OUTPUTS * blocks, tileTokens(BLOCK_OUTPUTS));
      inRange([first, end], parts, room, (from, to, tileAt) => {
        run.blockSparseInputGradient(
          dyAt + from * outputs * 4,
          to - from,
          inputs,
          outputs,
          starts,
          columns,
          values,
          dxAt + from * inputs * 4,
          accumulate ? 1 : 0,
          tileAt,
        );
      });
    },
    blockSparseWeightSums(dy, x, matrix, tokens, sums, tile) {
      const { outputs, inputs } = matrix;
      const { rows, blocks, starts, columns } = foursOf(matrix);
      const shards = shardsOf(tokens);
      const dyAt = at("dy", dy, tokens * outputs);
      const xAt = at("x", x, tokens * inputs);
      const sumsAt = at("sums", sums, shards * blocks * BLOCK_OUTPUTS);
      const room = weightGradientSpace(inputs);
      const tileAt = at("tile", tile, room);
      const sum = (first: number, count: number, row: number, end: number, tileOf: number): void =>
        run.blockSparseWeightSums(
          dyAt + first * outputs * 4,
          xAt + first * inputs * 4,
          count,
          inputs,
          outputs,
          row,
          end,
          starts,
          columns,
          blocks,
          sumsAt + (first / SHARD_TOKENS) * blocks * BLOCK_OUTPUTS * 4,
          tileOf,
        );
      if (scheduler.threads === 1 || room > WORKSPACE_FLOATS) {
        sum(0, tokens, 0, rows, tileAt);
        return;
      }
      // Where there are few shards, their block rows are shared, too: each part turns the shard's tokens around anew.
      const ofBlock = BLOCK_OUTPUTS * Math.min(SHARD_TOKENS, tokens);
      const ofRow = (ofBlock * blocks) / Math.max(1, rows);
      const least = Math.ceil(LEAST_WORK / Math.max(1, ofRow));
      const part = partLength(scheduler, rows, least, TURNED_OUTPUTS / BLOCK_OUTPUTS, shards);
      scheduler.openGroup();
      for (let first = 0; first < tokens; first += SHARD_TOKENS)
        for (let row = 0; row < rows; row += part)
          sum(first, Math.min(SHARD_TOKENS, tokens - first), row, Math.min(row + part, rows), 0);
      scheduler.closeGroup();
    },
    blockSparseAddSums(sums, shards, matrix, dWeight) {
      const { outputs, inputs } = matrix;
      const { rows, blocks, starts, columns } = foursOf(matrix);
      const sumsAt = at("sums", sums, shards * blocks * BLOCK_OUTPUTS);
      const dWeightAt = at("dWeight", dWeight, outputs * inputs);
      const least = Math.ceil((LEAST_ADDED * rows) / Math.max(1, blocks));
      inParts([0, rows], { least, step: 1 }, (from, to) => {
        run.blockSparseAddSums(
          sumsAt,
          shards,
          blocks,
          inputs,
          starts,
          columns,
          dWeightAt,
          from,
          to,
        );
      });
    },
  };
}

/** Parts of tokens: whole tiles, so that each is computed as it would be without parts. */
function tokensOf(weights: number, together: number): PartSize {
  const least = Math.max(together, Math.ceil(LEAST_WORK / Math.max(1, weights)));
  return { least, step: together };
}

/** Whether there is anything in a range; refuses one that is none. */
function isRange(name: string, first: number, end: number, most: number = Infinity): boolean {
  if (first < 0 || end < first || end > most)
    throw new RangeError(`${name}: expected a range up to ${most}, got ${first} to ${end}`);
  return first < end;
}
