/**
 * Products with a weight of which few blocks are kept: blocks of four consecutive outputs and one input, the 4x1
 * pattern. Part of the table of operations (`table.ts`), whose conventions hold here too.
 */
import type { WasmVariant } from "./wasm/emitter.ts";

/** Consecutive outputs in a block of which there are gradients: the 4x1 pattern. */
export const BLOCK_OUTPUTS = 4;
/** Tokens of a shard, whose part of a weight's gradient is summed up apart: the same for any number of threads. */
export const SHARD_TOKENS = 256;
/** Tokens that the WASM kernel of a shard's sums turns around at a time, and outputs of their gradients. */
export const TURNED_TOKENS = 128;
export const TURNED_OUTPUTS = 32;

/** Floats of a block's sums before their lanes are added up, where the engine joins vectors. */
const LANES_TO_ADD = 8 * BLOCK_OUTPUTS;

/** Consecutive outputs that a block can have in {@link BlockSparseKernels.blockSparseForward}. */
export const BLOCK_HEIGHTS = [1, 2, 4, 8, 16] as const;
/** One of {@link BLOCK_HEIGHTS}. */
export type BlockHeight = (typeof BLOCK_HEIGHTS)[number];

/** Outputs whose sums a WASM kernel gathers before it writes them: a line of the processor's cache. */
export const GATHERED_OUTPUTS = 16;

/**
 * Tokens that the WASM kernels of a variant work on at a time: more where a block has few outputs to keep in registers,
 * and where the engine joins vectors.
 */
export function tokensTogether(variant: WasmVariant, height: BlockHeight): number {
  const tokens = height < BLOCK_OUTPUTS ? 16 : 8;
  return variant === "revectorized" ? 2 * tokens : tokens;
}

/** The most tokens that any WASM kernel works on at a time. */
export function tileTokens(height: BlockHeight): number {
  return tokensTogether("revectorized", height);
}

/** Floats of working space that a product takes, or its gradient by the inputs. */
export function workingSpace(height: BlockHeight, inputs: number): number {
  return tileTokens(height) * (inputs + GATHERED_OUTPUTS);
}

/** Shards of a weight's gradient. */
export function shardsOf(tokens: number): number {
  return Math.ceil(tokens / SHARD_TOKENS);
}

/** Floats of working space that a weight's gradient takes. */
export function weightGradientSpace(inputs: number): number {
  return TURNED_TOKENS * (inputs + TURNED_OUTPUTS) + LANES_TO_ADD;
}

/**
 * A weight [outputs, inputs] in compressed form. A block row is as many consecutive outputs as a block has; its blocks
 * lie one after the other, by ascending input.
 */
export interface BlockSparseMatrix {
  /** A multiple of `height`. */
  readonly outputs: number;
  readonly inputs: number;
  /** Outputs of a block. All operations but `blockSparseForward` take 4 alone. */
  readonly height: BlockHeight;
  /** For each block row the index of its first block, then the number of all blocks: outputs / height + 1. */
  readonly starts: Int32Array;
  /** The input of each block. */
  readonly columns: Int32Array;
  /** The weights of each block: [blocks, height]. */
  readonly values: Float32Array;
}

/**
 * The operations. Each element that one writes is computed within one call, by additions in a fixed order, so that
 * work may be divided by tokens, with working space of each part's own. Ranges are from `first` to below `end`.
 */
export interface BlockSparseKernels {
  /** matrix.values = the kept blocks of a dense weight [outputs, inputs]. */
  blockSparseGather(weight: Float32Array, matrix: BlockSparseMatrix): void;

  /**
   * y[t] = W x[t] + bias (null: none) for the tokens t of a range; x is [tokens, inputs], y [tokens, outputs]. Sums
   * run over the blocks of a row in order. `tile` is working space of `workingSpace(height, inputs)`.
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
   * dx[t] = W^T dy[t], or dx[t] += where `accumulate`, for the tokens t of a range. Sums run over the outputs in
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
   * sums[shard][block] = dy^T x over the {@link SHARD_TOKENS} tokens of each shard, the last of which has the rest, at the
   * kept blocks: [shards, blocks, 4]. Sums run over a shard's tokens in a fixed order. `tile` is working space of
   * `weightGradientSpace(inputs)`.
   */
  blockSparseWeightSums(
    dy: Float32Array,
    x: Float32Array,
    matrix: BlockSparseMatrix,
    tokens: number,
    sums: Float32Array,
    tile: Float32Array,
  ): void;

  /** dW += sums [shards, blocks, 4], shard after shard; dW [outputs, inputs] is dense. */
  blockSparseAddSums(
    sums: Float32Array,
    shards: number,
    matrix: BlockSparseMatrix,
    dWeight: Float32Array,
  ): void;
}
