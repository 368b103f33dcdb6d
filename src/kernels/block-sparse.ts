/**
 * Kernels for products with a weight whose pruned blocks are skipped. They are a part of the table in `table.ts` and
 * follow its conventions.
 */
import type { WasmVariant } from "./wasm/emitter.ts";

/** The number of outputs in a 4x1 block, the only block height for which gradients are implemented. */
export const BLOCK_OUTPUTS = 4;
/**
 * The number of tokens in a shard. Weight gradients are summed shard by shard, so that they do not depend on the number
 * of threads.
 */
export const SHARD_TOKENS = 256;
/** The number of tokens, and of outputs, that the WASM kernel for weight gradients transposes at a time. */
export const TILE_TOKENS = 128;
export const TILE_OUTPUTS = 32;

/** The number of floats in the vector accumulators of a block: 8 lanes for each output. */
const LANES_TO_ADD = 8 * BLOCK_OUTPUTS;

/** The block heights (outputs per block) that {@link BlockSparseKernels.blockSparseForward} accepts. */
export const BLOCK_HEIGHTS = [1, 2, 4, 8, 16] as const;
export type BlockHeight = (typeof BLOCK_HEIGHTS)[number];

/** The number of outputs that a WASM kernel buffers before it writes them: one cache line of floats. */
export const GATHERED_OUTPUTS = 16;

/**
 * The number of tokens that a kernel variant processes together, in a tile. Blocks of 1 or 2 outputs need few
 * registers, so their tiles have more tokens; `revectorized` doubles the number.
 */
export function tokensTogether(variant: WasmVariant, height: BlockHeight): number {
  const tokens = height < BLOCK_OUTPUTS ? 16 : 8;
  return variant === "revectorized" ? 2 * tokens : tokens;
}

/** The maximum number of tokens in a tile, over all variants. */
export function tileTokens(height: BlockHeight): number {
  return tokensTogether("revectorized", height);
}

/** The size of the working space, in floats, for a forward product or an input gradient. */
export function workingSpace(height: BlockHeight, inputs: number): number {
  return tileTokens(height) * (inputs + GATHERED_OUTPUTS);
}

/** The number of shards into which the tokens of a weight gradient are divided. */
export function shardsOf(tokens: number): number {
  return Math.ceil(tokens / SHARD_TOKENS);
}

/** The size of the working space, in floats, for a weight gradient. */
export function weightGradientSpace(inputs: number): number {
  return TILE_TOKENS * (inputs + TILE_OUTPUTS) + LANES_TO_ADD;
}

/** The kept blocks of a weight [outputs, inputs], ordered by block row, then by input. */
export interface BlockSparseMatrix {
  /** The number of outputs, a multiple of `height`. */
  readonly outputs: number;
  readonly inputs: number;
  /** The number of outputs in a block. All operations except `blockSparseForward` require 4. */
  readonly height: BlockHeight;
  /**
   * For each block row, the index of its first block; then the total number of blocks. Length: outputs / height + 1.
   */
  readonly starts: Int32Array;
  /** For each block, the index of its input. */
  readonly columns: Int32Array;
  /** The weights in the blocks, [blocks, height]. */
  readonly values: Float32Array;
}

/**
 * Operations with block-sparse weights. A range of tokens is given as `first` (inclusive) and `end` (exclusive). The
 * order of additions does not depend on the range, so threads may share the tokens if each thread has its own working
 * space.
 */
export interface BlockSparseKernels {
  /** Copies the kept blocks of a dense weight [outputs, inputs] to `matrix.values`. */
  blockSparseGather(weight: Float32Array, matrix: BlockSparseMatrix): void;

  /**
   * y[t] = W x[t] + bias for each token t in a range; a null bias adds nothing. x is [tokens, inputs], y [tokens,
   * outputs]. Products are added in the order of the blocks. `tile` is working space of `workingSpace(height, inputs)`
   * floats.
   */
  blockSparseForward(
    x: Float32Array,
    matrix: BlockSparseMatrix,
    bias: Float32Array | null,
    y: Float32Array,
    first: number,
    end: number,
    tile: Float32Array,
  ): void;

  /**
   * dx[t] = W^T dy[t], or with `accumulate` dx[t] += W^T dy[t], for each token t in a range. Products are added in the
   * order of the outputs. `tile` is working space of `workingSpace(4, inputs)` floats.
   */
  blockSparseInputGradient(
    dy: Float32Array,
    matrix: BlockSparseMatrix,
    dx: Float32Array,
    accumulate: boolean,
    first: number,
    end: number,
    tile: Float32Array,
  ): void;

  /**
   * sums[s] = dy^T x at the kept blocks, summed over the {@link SHARD_TOKENS} tokens of shard s (the last shard may
   * have fewer). `sums` is [shards, blocks, 4]. `tile` is working space of `weightGradientSpace(inputs)` floats.
   */
  blockSparseWeightSums(
    dy: Float32Array,
    x: Float32Array,
    matrix: BlockSparseMatrix,
    tokens: number,
    sums: Float32Array,
    tile: Float32Array,
  ): void;

  /** Adds `sums` [shards, blocks, 4] to the kept blocks of `dWeight` [outputs, inputs], shard by shard. */
  blockSparseAddSums(
    sums: Float32Array,
    shards: number,
    matrix: BlockSparseMatrix,
    dWeight: Float32Array,
  ): void;
}
