/** The hot loops of pruning. `prune/` implements them in plain JavaScript, `kernels/` in WebAssembly. */

/**
 * Loops over scores, or over a matrix of `columns` columns that is divided into blocks of one column and `height` rows
 * (at most 4 in `updateScoresInto`). The matrix has `scores.length / columns` rows of blocks, with one score for each
 * block. All implementations agree bit for bit: arithmetic is float32, and the elements of a block are added from top
 * to bottom.
 */
export interface PruningKernels {
  /**
   * Updates the score of every block in one pass. A block's `fresh` score is the sum of |value * factor| over its
   * elements, or of |value| if `factors` is null, divided by `divisor` (1 or the height). The score becomes
   * `score * momentum + fresh`, or `fresh` if the momentum is 0.
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

  /**
   * Adds to `histogram[w]` the number of scores whose upper 16 bits are w. A chunk is read before the next is taken.
   * Taking a chunk may call the kernels.
   */
  countLeadingBitsInto(chunks: Iterable<Float32Array>, histogram: Uint32Array): void;

  /** Adds to `histogram[w]` the number of scores whose upper 16 bits are `leading` and whose lower 16 bits are w. */
  countTrailingBitsInto(
    chunks: Iterable<Float32Array>,
    leading: number,
    histogram: Uint32Array,
  ): void;

  /** Counts the scores below the threshold and, with `inclusive`, also those equal to it. */
  countBelow(scores: Float32Array, threshold: number, inclusive: boolean): number;

  /**
   * Writes a mask: 0 for the elements of each block whose score {@link PruningKernels.countBelow} counts, and 1 for all
   * others.
   */
  writeMaskInto(
    scores: Float32Array,
    threshold: number,
    inclusive: boolean,
    height: number,
    columns: number,
    mask: Uint8Array,
  ): void;

  /** Sets all values of a block to 0 if the mask is 0 in the block's first row. Other rows of the mask are not read. */
  applyMaskInto(mask: Uint8Array, height: number, columns: number, values: Float32Array): void;

  /**
   * Counts the blocks in which all values are +0 or, if `anySign` is true, zeros of any sign. Only compiled kernels have
   * it, for checkpoints; others are counted by loops of their own.
   */
  countZeroBlocks?(values: Float32Array, height: number, columns: number, anySign: boolean): number;
}
