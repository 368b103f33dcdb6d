/**
 * Products with a weight of which few blocks are kept: blocks of four consecutive outputs and one input, the 4x1
 * pattern. Part of the table of operations (`table.ts`), whose conventions hold here too.
 */
import type { WasmVariant } from "./wasm/emitter.ts";

/** Consecutive outputs in a block of which there are gradients: the 4x1 pattern. */
export const BLOCK_OUTPUTS = 4;
/** Tokens that the WASM kernel of the weight's gradient works on at a time. */
export const TILE_TOKENS = 8;

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
 * work may be divided: the first two by tokens, the gradient of the weight by block rows, with working space of each
 * part's own. Ranges are from `first` to below `end`.
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
   * dW += dy^T x over all tokens, at the kept blocks of a range of block rows only; dW [outputs, inputs] is dense.
   * Sums run over the tokens in order. `tile` is working space of 8 * inputs, `sums` of as many as matrix.values.
   */
  blockSparseWeightGradient(
    dy: Float32Array,
    x: Float32Array,
    matrix: BlockSparseMatrix,
    dWeight: Float32Array,
    tokens: number,
    first: number,
    end: number,
    tile: Float32Array,
    sums: Float32Array,
  ): void;
}
