/**
 * The k-th smallest score, exactly and in linear time. A histogram over the upper halves of the bits finds that half of
 * the score, and one over the lower halves finds the rest. Both have 65536 buckets, so no score is copied and the
 * working memory does not depend on their number.
 */

import type { PruningKernels } from "../core/pruning-kernels.ts";
import { sumOf } from "../core/sum.ts";
import { refusePruning } from "./layer.ts";
import { plainKernels } from "./plain-kernels.ts";

/** Working memory of {@link kthSmallest}. Opaque; reused by later selections. */
export interface SelectionScratch {
  readonly histogram: Uint32Array;
  readonly kernels: PruningKernels;
}

const BUCKETS = 0x10000;
/** Buckets from here on hold negative numbers, in falling order. */
const NEGATIVE = 0x8000;
/** Upper halves of the infinities. Those above them, up to the next sign, are of NaN. */
const INFINITIES = [0x7f80, 0xff80] as const;

/**
 * Makes working memory for selections.
 *
 * @param kernels loops to use instead of those in plain JavaScript.
 */
export function createSelectionScratch(kernels: PruningKernels = plainKernels): SelectionScratch {
  return { histogram: new Uint32Array(BUCKETS), kernels };
}

/** A bucket, and how many entries lie in those before it. */
interface Bucket {
  readonly bucket: number;
  readonly before: number;
}

/** The bucket of the k-th entry, from `first` up or down; `before` entries were counted earlier. */
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

/** The bucket of the k-th smallest number by its upper half: negative numbers first. */
export function findLeading(histogram: Uint32Array, k: number): Bucket {
  const negative = sumBuckets(histogram, NEGATIVE, BUCKETS);
  return k <= negative
    ? findBucket(histogram, k, BUCKETS - 1, -1)
    : findBucket(histogram, k, 0, 1, negative);
}

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/** The k-th smallest number, from the bucket of its upper half and a histogram of the lower halves there. */
export function scoreInBucket(
  { bucket, before }: Bucket,
  histogram: Uint32Array,
  k: number,
): number {
  const down = bucket >= NEGATIVE;
  const trailing = findBucket(histogram, k, down ? BUCKETS - 1 : 0, down ? -1 : 1, before);
  word[0] = (bucket << 16) | trailing.bucket;
  // -0 becomes +0, which is the same score.
  return float[0] + 0;
}

/** The bits of a score. */
export function bitsOf(score: number): number {
  float[0] = score;
  return word[0];
}

/** Scores to select from; they need not be in arrays. */
export interface ScoreSource {
  readonly count: number;
  /** Counts scores by the upper halves of their bits, or by the lower ones of those with the upper half `leading`. */
  countBitsInto(leading: number | null, histogram: Uint32Array): void;
  hasNaN(): boolean;
  /** Calls with each score and its position, to find one that is refused. */
  visit(look: (score: number, position: number) => void): void;
}

/** Refuses NaN, and infinities unless they are allowed. `histogram` has the upper halves of the bits. */
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
  // Some NaN share the upper half of an infinity.
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

/** {@link kthSmallest} of any source. */
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
 * The k-th smallest value (k from 1) of all chunks together.
 *
 * @param allowInfinity lets scores of +-Infinity stand for "never" and "always first".
 * @throws PruningError `infeasible-budget` if there are fewer than k values, `invalid-score` for NaN or an infinity that
 * is not allowed.
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
    // Comparisons with NaN are false.
    hasNaN: () => chunks.some((chunk) => kernels.countBelow(chunk, Infinity, true) < chunk.length),
    visit: (look) => {
      for (const chunk of chunks) chunk.forEach(look);
    },
  };
  return kthSmallestOf(source, k, scratch, allowInfinity);
}
