/** The hot loops of pruning. `prune/` implements them in plain JavaScript, `kernels/` in WebAssembly. */

/**
 * Loops over scores, and over blocks of one column and one to four rows. The arguments `height` and `columns` describe
 * a matrix of such blocks, with `scores.length / columns` rows of blocks. Implementations agree bit for bit: arithmetic
 * is float32, and the elements of a block are added from top to bottom.
 */
export interface PruningKernels {
  /**
   * Updates block scores in one pass. `fresh` is the sum of |values * factors| over the block, or of |values| without
   * factors, divided by `divisor`, which is 1 or the height. Then `scores = scores * momentum + fresh`, or
   * `scores = fresh` if the momentum is 0.
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

  /** Counts the scores with upper 16 bits w in `histogram[w]`. */
  countLeadingBitsInto(chunks: readonly Float32Array[], histogram: Uint32Array): void;

  /** Counts the scores with upper 16 bits `leading` and lower 16 bits w in `histogram[w]`. */
  countTrailingBitsInto(
    chunks: readonly Float32Array[],
    leading: number,
    histogram: Uint32Array,
  ): void;

  /** Number of scores below the threshold. With `inclusive` it includes equal scores. */
  countBelow(scores: Float32Array, threshold: number, inclusive: boolean): number;

  /** Writes 0 for the elements of each block that {@link PruningKernels.countBelow} counts, else 1. */
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
