/**
 * The k-th smallest score, exactly and in linear time: a histogram over the leading bits finds the
 * bucket, its members are compacted, and two more histograms finish the remaining bits.
 */
import { PruningError } from "./layer.ts";

/** Working memory of {@link kthSmallest}; grows to the largest bucket met and is then reused. */
export interface SelectionScratch {
  readonly histogram: Uint32Array;
  keys: Uint32Array;
}

/** Makes working memory for selections. */
export function createSelectionScratch(): SelectionScratch {
  return { histogram: new Uint32Array(2048), keys: new Uint32Array(0) };
}

const FIRST_SHIFT = 21;
const SECOND_SHIFT = 10;
const EXPONENT = 0x7f800000;

/** Float bits as an unsigned integer in the order of the numbers; -0 counts as +0. */
function orderedKey(bits: number): number {
  if (bits === 0x80000000) return 0x80000000;
  return (bits & 0x80000000) === 0 ? (bits | 0x80000000) >>> 0 : ~bits >>> 0;
}

/** The number an {@link orderedKey} stands for. */
function numberOfKey(key: number): number {
  const word = new Uint32Array(1);
  word[0] = (key & 0x80000000) === 0 ? ~key : key & 0x7fffffff;
  return new Float32Array(word.buffer)[0] as number;
}

function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

/** Bucket that holds the k-th entry of a histogram, and how many entries lie before it. */
function findBucket(histogram: Uint32Array, k: number): { bucket: number; before: number } {
  let before = 0;
  let bucket = 0;
  while (before + (histogram[bucket] as number) < k) before += histogram[bucket++] as number;
  return { bucket, before };
}

/** Counts the leading bits of all values; rejects NaN and infinities unless they are allowed. */
function countLeadingBits(
  chunks: readonly Float32Array[],
  histogram: Uint32Array,
  allowInfinity: boolean,
): void {
  histogram.fill(0);
  for (const chunk of chunks) {
    const words = bitsOf(chunk);
    for (let i = 0; i < words.length; i++) {
      const word = words[i] as number;
      if ((word & EXPONENT) === EXPONENT && !(allowInfinity && (word & 0x7fffff) === 0))
        throw new PruningError(
          "invalid-score",
          `scores: expected finite numbers, got ${chunk[i]} at position ${i}`,
        );
      const bucket = orderedKey(word) >>> FIRST_SHIFT;
      histogram[bucket] = (histogram[bucket] as number) + 1;
    }
  }
}

/** Copies the keys whose leading bits are `bucket`; returns the filled part of `scratch.keys`. */
function compact(
  chunks: readonly Float32Array[],
  bucket: number,
  count: number,
  scratch: SelectionScratch,
): Uint32Array {
  if (scratch.keys.length < count) scratch.keys = new Uint32Array(count);
  const keys = scratch.keys;
  let filled = 0;
  for (const chunk of chunks) {
    const words = bitsOf(chunk);
    for (let i = 0; i < words.length; i++) {
      const key = orderedKey(words[i] as number);
      if (key >>> FIRST_SHIFT === bucket) keys[filled++] = key;
    }
  }
  return keys.subarray(0, filled);
}

/** Bucket of the k-th key by `width` bits from `shift` up, among keys whose higher bits equal `prefix`. */
function refine(
  keys: Uint32Array,
  k: number,
  prefix: number,
  prefixShift: number,
  shift: number,
  histogram: Uint32Array,
): { bucket: number; before: number } {
  const mask = (1 << (prefixShift - shift)) - 1;
  histogram.fill(0);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as number;
    if (key >>> prefixShift !== prefix) continue;
    const bucket = (key >>> shift) & mask;
    histogram[bucket] = (histogram[bucket] as number) + 1;
  }
  return findBucket(histogram, k);
}

/**
 * The k-th smallest value (k from 1) of all chunks together.
 *
 * @param allowInfinity lets scores of +-Infinity stand for "never" and "always first".
 * @throws PruningError `infeasible-budget` where there are fewer than k values, `invalid-score` for NaN
 * or an infinity that is not allowed.
 */
export function kthSmallest(
  chunks: readonly Float32Array[],
  k: number,
  scratch: SelectionScratch,
  allowInfinity: boolean = false,
): number {
  const { histogram } = scratch;
  countLeadingBits(chunks, histogram, allowInfinity);
  const available = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  if (k < 1 || k > available)
    throw new PruningError(
      "infeasible-budget",
      `budget: expected from 1 to ${available} blocks to prune, got ${k}`,
    );
  const first = findBucket(histogram, k);
  const keys = compact(chunks, first.bucket, histogram[first.bucket] as number, scratch);
  const rank = k - first.before;
  const second = refine(keys, rank, first.bucket, FIRST_SHIFT, SECOND_SHIFT, histogram);
  const prefix = ((first.bucket << (FIRST_SHIFT - SECOND_SHIFT)) | second.bucket) >>> 0;
  const third = refine(keys, rank - second.before, prefix, SECOND_SHIFT, 0, histogram);
  return numberOfKey(((prefix << SECOND_SHIFT) | third.bucket) >>> 0);
}
