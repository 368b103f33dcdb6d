/** Products with a weight whose pruned blocks are skipped. A part of `table.ts`, with the same conventions. */
import type { WasmVariant } from "./wasm/emitter.ts";

/** Outputs of a block of the pattern 4x1. Products with gradients require it. */
export const BLOCK_OUTPUTS = 4;
/** Tokens of a shard. Weight gradients are summed by shards, so that they do not depend on the number of threads. */
export const SHARD_TOKENS = 256;
/** Tokens and outputs that the WASM kernel of weight gradients transposes at a time. */
export const TILE_TOKENS = 128;
export const TILE_OUTPUTS = 32;

/** Floats for the lanes of the sums of a block, before they are added. */
const LANES_TO_ADD = 8 * BLOCK_OUTPUTS;

/** Possible heights of a block in {@link BlockSparseKernels.blockSparseForward}. */
export const BLOCK_HEIGHTS = [1, 2, 4, 8, 16] as const;
export type BlockHeight = (typeof BLOCK_HEIGHTS)[number];

/** Outputs whose sums a WASM kernel collects before it writes them: a cache line. */
export const GATHERED_OUTPUTS = 16;

/** Tokens of a variant's tile: more for low blocks, which need few registers, and if the engine joins vectors. */
export function tokensTogether(variant: WasmVariant, height: BlockHeight): number {
  const tokens = height < BLOCK_OUTPUTS ? 16 : 8;
  return variant === "revectorized" ? 2 * tokens : tokens;
}

/** The most tokens of any variant's tile. */
export function tileTokens(height: BlockHeight): number {
  return tokensTogether("revectorized", height);
}

/** Floats of working space that a product or an input gradient needs. */
export function workingSpace(height: BlockHeight, inputs: number): number {
  return tileTokens(height) * (inputs + GATHERED_OUTPUTS);
}

/** The number of shards of a weight gradient. */
export function shardsOf(tokens: number): number {
  return Math.ceil(tokens / SHARD_TOKENS);
}

/** Floats of working space that a weight gradient needs. */
export function weightGradientSpace(inputs: number): number {
  return TILE_TOKENS * (inputs + TILE_OUTPUTS) + LANES_TO_ADD;
}

/** The kept blocks of a weight [outputs, inputs], ordered by block row, then by input. */
export interface BlockSparseMatrix {
  /** A multiple of `height`. */
  readonly outputs: number;
  readonly inputs: number;
  /** Outputs of a block: 4 for all operations except `blockSparseForward`. */
  readonly height: BlockHeight;
  /** The index of the first block of each block row, then the number of blocks. Length: outputs / height + 1. */
  readonly starts: Int32Array;
  /** The input of each block. */
  readonly columns: Int32Array;
  /** The weights of each block: [blocks, height]. */
  readonly values: Float32Array;
}

/**
 * The operations. The order of additions does not depend on the range of tokens, from `first` to below `end`, so work
 * may be divided by tokens if each part has its own working space.
 */
export interface BlockSparseKernels {
  /** matrix.values = the kept blocks of a dense weight [outputs, inputs]. */
  blockSparseGather(weight: Float32Array, matrix: BlockSparseMatrix): void;

  /**
   * y[t] = W x[t] + bias (or null) for a range of tokens; x is [tokens, inputs], y [tokens, outputs]. Products are
   * added in the order of the blocks. `tile` has `workingSpace(height, inputs)` floats.
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
   * dx[t] = W^T dy[t], or with `accumulate` dx[t] += W^T dy[t], for a range of tokens. Products are added in the order
   * of the outputs. `tile` has `workingSpace(4, inputs)` floats.
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
   * sums [shards, blocks, 4] = dy^T x at the kept blocks, for each shard of {@link SHARD_TOKENS} tokens (the last may
   * have fewer). `tile` has `weightGradientSpace(inputs)` floats.
   */
  blockSparseWeightSums(
    dy: Float32Array,
    x: Float32Array,
    matrix: BlockSparseMatrix,
    tokens: number,
    sums: Float32Array,
    tile: Float32Array,
  ): void;

  /** dW [outputs, inputs] += sums [shards, blocks, 4], shard by shard. */
  blockSparseAddSums(
    sums: Float32Array,
    shards: number,
    matrix: BlockSparseMatrix,
    dWeight: Float32Array,
  ): void;
}
