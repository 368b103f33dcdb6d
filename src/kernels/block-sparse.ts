/** Products with a weight of which few blocks are kept: a part of `table.ts`, with the same conventions. */
import type { WasmVariant } from "./wasm/emitter.ts";

/** Consecutive outputs of a block in products that have gradients: the 4x1 pattern. */
export const BLOCK_OUTPUTS = 4;
/** Tokens of a shard. A weight gradient is a sum over shards, the same for any number of threads. */
export const SHARD_TOKENS = 256;
/** Tokens and outputs that the WASM kernel of weight gradients transposes at a time. */
export const TILE_TOKENS = 128;
export const TILE_OUTPUTS = 32;

/** Floats of the sums of two blocks before their lanes are added, if the engine joins vectors. */
const LANES_TO_ADD = 8 * BLOCK_OUTPUTS;

/** Possible heights of a block in {@link BlockSparseKernels.blockSparseForward}. */
export const BLOCK_HEIGHTS = [1, 2, 4, 8, 16] as const;
export type BlockHeight = (typeof BLOCK_HEIGHTS)[number];

/** Outputs whose sums a WASM kernel gathers before writing them: a cache line. */
export const GATHERED_OUTPUTS = 16;

/** Tokens of a tile of a variant: more for low blocks, which need few registers, and if the engine joins vectors. */
export function tokensTogether(variant: WasmVariant, height: BlockHeight): number {
  const tokens = height < BLOCK_OUTPUTS ? 16 : 8;
  return variant === "revectorized" ? 2 * tokens : tokens;
}

/** The most tokens of a tile of any variant. */
export function tileTokens(height: BlockHeight): number {
  return tokensTogether("revectorized", height);
}

/** Floats of working space of a product or an input gradient. */
export function workingSpace(height: BlockHeight, inputs: number): number {
  return tileTokens(height) * (inputs + GATHERED_OUTPUTS);
}

/** Number of shards of a weight gradient. */
export function shardsOf(tokens: number): number {
  return Math.ceil(tokens / SHARD_TOKENS);
}

/** Floats of working space of a weight gradient. */
export function weightGradientSpace(inputs: number): number {
  return TILE_TOKENS * (inputs + TILE_OUTPUTS) + LANES_TO_ADD;
}

/** The kept blocks of a weight [outputs, inputs], by block row and ascending input. */
export interface BlockSparseMatrix {
  /** A multiple of `height`. */
  readonly outputs: number;
  readonly inputs: number;
  /** Outputs of a block. All operations except `blockSparseForward` require 4. */
  readonly height: BlockHeight;
  /** For each block row the index of its first block, then the number of blocks: outputs / height + 1. */
  readonly starts: Int32Array;
  /** The input of each block. */
  readonly columns: Int32Array;
  /** The weights of each block: [blocks, height]. */
  readonly values: Float32Array;
}

/**
 * The operations. Each result is computed within one call, by additions in a fixed order, so work may be divided by
 * tokens if each part has its own working space. Ranges are from `first` to below `end`.
 */
export interface BlockSparseKernels {
  /** matrix.values = kept blocks of a dense weight [outputs, inputs]. */
  blockSparseGather(weight: Float32Array, matrix: BlockSparseMatrix): void;

  /**
   * y[t] = W x[t] + bias (or null) for a range of tokens; x is [tokens, inputs], y [tokens, outputs]. Sums run over the
   * blocks of a row in order. `tile` is working space of `workingSpace(height, inputs)`.
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
   * dx[t] = W^T dy[t], or with `accumulate` dx[t] += W^T dy[t], for a range of tokens. Sums run over the outputs in
   * order. `tile` is working space of `workingSpace(4, inputs)`.
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
   * sums [shards, blocks, 4] = dy^T x at the kept blocks, over the {@link SHARD_TOKENS} tokens of each shard (the last
   * may have fewer), in a fixed order. `tile` is working space of `weightGradientSpace(inputs)`.
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
