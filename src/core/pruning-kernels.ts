/** The loops of pruning worth compiling: `prune/` has them in plain JavaScript, `kernels/` in WebAssembly. */

/**
 * Loops over blocks of one column and one to four rows, and over scores. A matrix of such blocks is given by
 * the height of its blocks and its columns; it has `scores.length / columns` rows of blocks. Implementations
 * agree bit for bit: arithmetic is float32, and a block adds its elements from the top down.
 */
export interface PruningKernels {
  /**
   * Brings block scores up to date in one pass: fresh = sum over the block of |values * factors| / divisor, then
   * `scores = scores * momentum + fresh`, or `scores = fresh` with a momentum of 0. Without factors a block
   * sums |values|. The divisor is 1 or the height.
   */
  updateScoresInto(
    values: Float32Array,
    factors: Float32Array | null,
    height: number,
    columns: number,
    divisor: number,
    momentum: number,
    scores: Float32Array,
  ): void;

  /** Adds to `histogram[w]` the number of scores whose upper 16 bits are w. */
  countLeadingBitsInto(chunks: readonly Float32Array[], histogram: Uint32Array): void;

  /** Adds to `histogram[w]` the number of scores whose upper 16 bits are `leading` and lower 16 are w. */
  countTrailingBitsInto(
    chunks: readonly Float32Array[],
    leading: number,
    histogram: Uint32Array,
  ): void;

  /** Number of scores below the threshold, or with `inclusive` at most the threshold. */
  countBelow(scores: Float32Array, threshold: number, inclusive: boolean): number;

  /** Writes 0 for the elements of each block that {@link PruningKernels.countBelow} would count, else 1. */
  writeMaskInto(
    scores: Float32Array,
    threshold: number,
    inclusive: boolean,
    height: number,
    columns: number,
    mask: Uint8Array,
  ): void;

  /** Sets the values of each block to 0 if its entry in the first row of its mask is 0. */
  applyMaskInto(mask: Uint8Array, height: number, columns: number, values: Float32Array): void;
}
