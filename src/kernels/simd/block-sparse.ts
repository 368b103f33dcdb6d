/** Products with block-sparse weights on WASM. These functions check the arrays and divide the work among threads. */
import {
  BLOCK_HEIGHTS,
  BLOCK_OUTPUTS,
  type BlockHeight,
  type BlockSparseKernels,
  type BlockSparseMatrix,
  SHARD_TOKENS,
  shardsOf,
  TILE_OUTPUTS,
  tileTokens,
  weightGradientSpace,
  workingSpace,
} from "../block-sparse.ts";
import { WORKSPACE_FLOATS } from "../wasm/gemm-blocking.ts";
import type { Wasm } from "./calls.ts";
import { partLength, type Scheduler, type WasmFunction } from "./scheduler.ts";

/** The minimum number of multiplications in a part of an operation. */
const LEAST_WORK = 1 << 20;
/** The minimum number of blocks in a part when `blockSparseAddSums` adds sums to a gradient. */
const LEAST_ADDED = 1 << 11;

/** Creates the kernels. They throw a RangeError for an array that is too short and for an invalid range of tokens. */
export function blockSparseKernels(wasm: Wasm, scheduler: Scheduler): BlockSparseKernels {
  return {
    ...forwardBlockSparse(wasm, scheduler),
    blockSparseGather: gather(wasm),
    blockSparseInputGradient: inputGradient(wasm, scheduler),
    blockSparseWeightSums: weightSums(wasm, scheduler),
    blockSparseAddSums: addSums(wasm, scheduler),
  };
}

/** Creates the kernel that inference calls. */
export function forwardBlockSparse(
  wasm: Wasm,
  scheduler: Scheduler,
): Pick<BlockSparseKernels, "blockSparseForward"> {
  return { blockSparseForward: forward(wasm, scheduler) };
}

/** A block-sparse matrix in the form that the module's functions expect: counts, and the addresses of its arrays. */
interface Blocks {
  readonly rows: number;
  readonly blocks: number;
  readonly starts: number;
  readonly columns: number;
  readonly values: number;
}

function blocksOf({ at }: Wasm, matrix: BlockSparseMatrix): Blocks {
  const { height } = matrix;
  const rows = matrix.outputs / height;
  const starts = at("starts", matrix.starts, rows + 1);
  const blocks = matrix.starts[rows];
  const columns = at("columns", matrix.columns, blocks);
  const values = at("values", matrix.values, height * blocks);
  return { rows, blocks, starts, columns, values };
}

/**
 * Like {@link blocksOf}, for operations that require blocks of four outputs.
 *
 * @throws RangeError for any other height
 */
function foursOf(wasm: Wasm, matrix: BlockSparseMatrix): Blocks {
  if (matrix.height === BLOCK_OUTPUTS) return blocksOf(wasm, matrix);
  throw new RangeError(`height: expected ${BLOCK_OUTPUTS}, got ${matrix.height}`);
}

/** Returns whether a range of tokens is non-empty. @throws RangeError if the range is invalid */
function isRange(first: number, end: number): boolean {
  if (first < 0 || end < first)
    throw new RangeError(`tokens: expected a range, got ${first} to ${end}`);
  return first < end;
}

/** Divides a range into parts, whose length {@link partLength} computes, and calls `run` for each part. */
function runParts(
  scheduler: Scheduler,
  first: number,
  end: number,
  least: number,
  step: number,
  run: (first: number, end: number) => void,
): void {
  const part = partLength(scheduler, end - first, least, step);
  scheduler.openGroup();
  for (let from = first; from < end; from += part) run(from, Math.min(from + part, end));
  scheduler.closeGroup();
}

/**
 * Calls `run` for parts of a range of tokens. Each part consists of whole tiles of `tokens` tokens, so that results do
 * not depend on the division. `weights` is the number of multiplications for each token. A single thread uses the
 * caller's tile as working space. If there are several threads, each uses the working space of its module instance
 * (tile address 0). If that space is smaller than `tileLength` floats, the range is not divided.
 */
function runTokens(
  scheduler: Scheduler,
  first: number,
  end: number,
  weights: number,
  tokens: number,
  tileAt: number,
  tileLength: number,
  run: (first: number, end: number, tile: number) => void,
): void {
  const least = Math.max(tokens, Math.ceil(LEAST_WORK / Math.max(1, weights)));
  if (scheduler.threads === 1 || tileLength > WORKSPACE_FLOATS) run(first, end, tileAt);
  else runParts(scheduler, first, end, least, tokens, (from, to) => run(from, to, 0));
}

function gather(wasm: Wasm): BlockSparseKernels["blockSparseGather"] {
  return (weight, matrix) => {
    const { outputs, inputs } = matrix;
    const { rows, starts, columns, values } = foursOf(wasm, matrix);
    const from = wasm.at("weight", weight, outputs * inputs);
    wasm.run.blockSparseGather(from, inputs, rows, starts, columns, values);
  };
}

function forward(wasm: Wasm, scheduler: Scheduler): BlockSparseKernels["blockSparseForward"] {
  const { at } = wasm;
  const functions = new Map<BlockHeight, WasmFunction>(
    BLOCK_HEIGHTS.map((height) => [height, scheduler.functions[`blockSparseForward${height}`]]),
  );
  return (x, matrix, bias, y, first, end, tile) => {
    const { outputs, inputs, height } = matrix;
    const multiply = functions.get(height);
    if (multiply === undefined || outputs % height !== 0) {
      const heights = BLOCK_HEIGHTS.join(", ");
      throw new RangeError(
        `height: expected one of ${heights} that divides ${outputs} outputs, got ${height}`,
      );
    }
    const { blocks, starts, columns, values } = blocksOf(wasm, matrix);
    if (!isRange(first, end)) return;
    const xAt = at("x", x, end * inputs);
    const yAt = at("y", y, end * outputs);
    const biasAt = bias === null ? 0 : at("bias", bias, outputs);
    const length = workingSpace(height, inputs);
    const tileAt = at("tile", tile, length);
    const [weights, tokens] = [blocks * height, tileTokens(height)];
    runTokens(scheduler, first, end, weights, tokens, tileAt, length, (from, to, room) => {
      const [source, target] = [xAt + from * inputs * 4, yAt + from * outputs * 4];
      const count = to - from;
      multiply(source, count, inputs, outputs, starts, columns, values, biasAt, target, room);
    });
  };
}

function inputGradient(
  wasm: Wasm,
  scheduler: Scheduler,
): BlockSparseKernels["blockSparseInputGradient"] {
  const { at } = wasm;
  const multiply = wasm.run.blockSparseInputGradient;
  return (dy, matrix, dx, accumulate, first, end, tile) => {
    const { outputs, inputs } = matrix;
    const { blocks, starts, columns, values } = foursOf(wasm, matrix);
    if (!isRange(first, end)) return;
    const dyAt = at("dy", dy, end * outputs);
    const dxAt = at("dx", dx, end * inputs);
    const length = workingSpace(BLOCK_OUTPUTS, inputs);
    const tileAt = at("tile", tile, length);
    const [weights, tokens] = [BLOCK_OUTPUTS * blocks, tileTokens(BLOCK_OUTPUTS)];
    const add = accumulate ? 1 : 0;
    runTokens(scheduler, first, end, weights, tokens, tileAt, length, (from, to, room) => {
      const [source, target] = [dyAt + from * outputs * 4, dxAt + from * inputs * 4];
      const count = to - from;
      multiply(source, count, inputs, outputs, starts, columns, values, target, add, room);
    });
  };
}

function weightSums(wasm: Wasm, scheduler: Scheduler): BlockSparseKernels["blockSparseWeightSums"] {
  const { at, run } = wasm;
  return (dy, x, matrix, tokens, sums, tile) => {
    const { outputs, inputs } = matrix;
    const { rows, blocks, starts, columns } = foursOf(wasm, matrix);
    const shards = shardsOf(tokens);
    const dyAt = at("dy", dy, tokens * outputs);
    const xAt = at("x", x, tokens * inputs);
    const sumsAt = at("sums", sums, shards * blocks * BLOCK_OUTPUTS);
    const length = weightGradientSpace(inputs);
    const tileAt = at("tile", tile, length);
    const sum = (first: number, count: number, row: number, end: number, room: number): void =>
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
        room,
      );
    if (scheduler.threads === 1 || length > WORKSPACE_FLOATS) {
      sum(0, tokens, 0, rows, tileAt);
      return;
    }
    // If there are few shards, block rows are divided too. Each part then transposes the tokens of its shard again.
    const ofBlock = BLOCK_OUTPUTS * Math.min(SHARD_TOKENS, tokens);
    const ofRow = (ofBlock * blocks) / Math.max(1, rows);
    const least = Math.ceil(LEAST_WORK / Math.max(1, ofRow));
    const part = partLength(scheduler, rows, least, TILE_OUTPUTS / BLOCK_OUTPUTS, shards);
    scheduler.openGroup();
    for (let first = 0; first < tokens; first += SHARD_TOKENS)
      for (let row = 0; row < rows; row += part)
        sum(first, Math.min(SHARD_TOKENS, tokens - first), row, Math.min(row + part, rows), 0);
    scheduler.closeGroup();
  };
}

function addSums(wasm: Wasm, scheduler: Scheduler): BlockSparseKernels["blockSparseAddSums"] {
  const { at, run } = wasm;
  return (sums, shards, matrix, dWeight) => {
    const { outputs, inputs } = matrix;
    const { rows, blocks, starts, columns } = foursOf(wasm, matrix);
    const sumsAt = at("sums", sums, shards * blocks * BLOCK_OUTPUTS);
    const to = at("dWeight", dWeight, outputs * inputs);
    const least = Math.ceil((LEAST_ADDED * rows) / Math.max(1, blocks));
    runParts(scheduler, 0, rows, least, 1, (from, end) => {
      run.blockSparseAddSums(sumsAt, shards, blocks, inputs, starts, columns, to, from, end);
    });
  };
}
