/**
 * Finds the k-th smallest score, exactly and in linear time. A histogram of the upper 16 bits of all scores gives the
 * upper half of the result. A histogram of the lower 16 bits of the scores with this upper half gives the lower half.
 * No score is copied, and the memory use is constant.
 */

import type { PruningKernels } from "../core/pruning-kernels.ts";
import { sumOf } from "../core/sum.ts";
import { refusePruning } from "./layer.ts";
import { plainKernels } from "./plain-kernels.ts";

/** Working memory for {@link kthSmallest}. */
export interface SelectionScratch {
  readonly histogram: Uint32Array;
  readonly kernels: PruningKernels;
}

const BUCKETS = 0x10000;
/** The first bucket of negative numbers. Their buckets are in descending order of the numbers. */
const NEGATIVE = 0x8000;
/** The buckets of Infinity and -Infinity. The 127 buckets after each of the two contain only NaN. */
const INFINITIES = [0x7f80, 0xff80] as const;

/** Creates working memory for {@link kthSmallest} with the given kernels. */
export function createSelectionScratch(kernels: PruningKernels = plainKernels): SelectionScratch {
  return { histogram: new Uint32Array(BUCKETS), kernels };
}

/** A bucket of a histogram, and the number of entries in the buckets before it. */
interface Bucket {
  readonly bucket: number;
  readonly before: number;
}

/**
 * Finds the bucket that contains the k-th entry. The search starts at bucket `first`, which `before` entries precede,
 * and goes up or down by `step`.
 */
function findBucket(
  histogram: Uint32Array,
  k: number,
  first: number,
  step: 1 | -1,
  before: number = 0,
): Bucket {
  let bucket = first;
  let passed = before;
  while (passed + histogram[bucket] < k) {
    passed += histogram[bucket];
    bucket += step;
  }
  return { bucket, before: passed };
}

function sumBuckets(histogram: Uint32Array, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i++) sum += histogram[i];
  return sum;
}

/** Finds the bucket of the k-th smallest number in a histogram of the upper 16 bits. Negative numbers come first. */
export function findLeading(histogram: Uint32Array, k: number): Bucket {
  const negative = sumBuckets(histogram, NEGATIVE, BUCKETS);
  return k <= negative
    ? findBucket(histogram, k, BUCKETS - 1, -1)
    : findBucket(histogram, k, 0, 1, negative);
}

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/**
 * Computes the k-th smallest number from the bucket of its upper 16 bits, and a histogram of the lower 16 bits of all
 * numbers in this bucket.
 */
export function scoreInBucket(
  { bucket, before }: Bucket,
  histogram: Uint32Array,
  k: number,
): number {
  const down = bucket >= NEGATIVE;
  const trailing = findBucket(histogram, k, down ? BUCKETS - 1 : 0, down ? -1 : 1, before);
  word[0] = (bucket << 16) | trailing.bucket;
  // Adding 0 converts -0 to +0.
  return float[0] + 0;
}

export function bitsOf(score: number): number {
  float[0] = score;
  return word[0];
}

/** Scores to select from, either stored in arrays or computed on demand. */
export interface ScoreSource {
  readonly count: number;
  /**
   * If `leading` is null, counts all scores by their upper 16 bits. Otherwise counts the scores whose upper 16 bits are
   * `leading` by their lower 16 bits.
   */
  countBitsInto(leading: number | null, histogram: Uint32Array): void;
  hasNaN(): boolean;
  /** Calls `look` with each score and its position. */
  visit(look: (score: number, position: number) => void): void;
}

/** Refuses NaN, and infinities unless they are allowed. `histogram` counts all scores by their upper 16 bits. */
function refuseForbidden(
  source: ScoreSource,
  histogram: Uint32Array,
  allowInfinity: boolean,
): void {
  let infinite = 0;
  let others = 0;
  for (const infinity of INFINITIES) {
    infinite += histogram[infinity];
    others += sumBuckets(histogram, infinity + 1, infinity + 0x80);
  }
  // The bucket of an infinity can also contain NaN.
  const isClean = others === 0 && (infinite === 0 || (allowInfinity && !source.hasNaN()));
  if (isClean) return;
  source.visit((score, position) => {
    if (allowInfinity ? Number.isNaN(score) : !Number.isFinite(score))
      refusePruning(
        "invalid-score",
        "scores",
        "finite numbers",
        `${score} at position ${position}`,
      );
  });
}

/** {@link kthSmallest} for scores from any source. */
export function kthSmallestOf(
  source: ScoreSource,
  k: number,
  { histogram }: SelectionScratch,
  allowInfinity: boolean = false,
): number {
  histogram.fill(0);
  source.countBitsInto(null, histogram);
  refuseForbidden(source, histogram, allowInfinity);
  if (k < 1 || k > source.count)
    refusePruning("infeasible-budget", "budget", `from 1 to ${source.count} blocks to prune`, k);
  const leading = findLeading(histogram, k);
  histogram.fill(0);
  source.countBitsInto(leading.bucket, histogram);
  return scoreInBucket(leading, histogram, k);
}

/**
 * The k-th smallest value of all chunks together. k counts from 1.
 *
 * @param allowInfinity whether scores may be -Infinity (always first) and Infinity (always last).
 * @throws PruningError `infeasible-budget` if there are fewer than k values, `invalid-score` for NaN and for an
 * infinity that is not allowed.
 */
export function kthSmallest(
  chunks: readonly Float32Array[],
  k: number,
  scratch: SelectionScratch,
  allowInfinity: boolean = false,
): number {
  const { kernels } = scratch;
  const source: ScoreSource = {
    count: sumOf(chunks, ({ length }) => length),
    countBitsInto: (leading, histogram) =>
      leading === null
        ? kernels.countLeadingBitsInto(chunks, histogram)
        : kernels.countTrailingBitsInto(chunks, leading, histogram),
    // NaN is not counted, because comparisons with it are false.
    hasNaN: () => chunks.some((chunk) => kernels.countBelow(chunk, Infinity, true) < chunk.length),
    visit: (look) => {
      for (const chunk of chunks) chunk.forEach(look);
    },
  };
  return kthSmallestOf(source, k, scratch, allowInfinity);
}
