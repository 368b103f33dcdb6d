/** The order in which a training run sees its examples: shuffled anew each epoch, the last batch kept. */
import { checkInteger } from "../core/checks.ts";
import { openStream, permutation, STREAM } from "../core/random.ts";

/**
 * How an epoch's batches are put together: `shuffled` at random, or `bucketed`, examples of similar length
 * together ({@link bucketedBatches}).
 */
export type Batching = "shuffled" | "bucketed";

/** Every {@link Batching}. */
export const BATCHINGS: readonly Batching[] = Object.freeze(["shuffled", "bucketed"]);

/** Batches whose examples {@link bucketedBatches} sorts together. */
const POOL = 50;

/** The indices 0..count-1 cut into batches of `batchSize`, in order; the last one may be shorter. */
export function sequentialBatches(count: number, batchSize: number): readonly Uint32Array[] {
  checkInteger("count", count);
  checkInteger("batchSize", batchSize, 1);
  return cut(
    Uint32Array.from({ length: count }, (_, index) => index),
    batchSize,
  );
}

/**
 * The batches of one epoch: a permutation of 0..count-1 that depends on (seed, epoch) alone, cut into
 * batches of `batchSize`. Every index occurs exactly once; the last batch may be shorter (the example
 * script's `drop_last=False`).
 *
 * @example
 * ```ts
 * import { shuffledBatches } from "espalier/nn";
 *
 * const batches = shuffledBatches(10, 4, 7, 0);
 * console.assert(batches.map((batch) => batch.length).join() === "4,4,2");
 * console.assert(new Set(batches.flatMap((batch) => [...batch])).size === 10);
 * ```
 */
export function shuffledBatches(
  count: number,
  batchSize: number,
  seed: number,
  epoch: number,
): readonly Uint32Array[] {
  checkInteger("count", count);
  checkInteger("batchSize", batchSize, 1);
  checkInteger("seed", seed);
  checkInteger("epoch", epoch);
  return cut(permutation(openStream(seed, STREAM.shuffle, epoch), count), batchSize);
}

/**
 * The batches of one epoch with examples of similar length together, so that little is padded. The order of
 * {@link shuffledBatches} is taken 50 batches at a time; the examples of each such pool are sorted by length
 * (equal ones stay in the shuffled order) and cut into batches, and then the batches of the epoch are
 * shuffled. Every index occurs exactly once, and all depends on (lengths, seed, epoch) alone.
 *
 * @param lengths - of every example
 * @example
 * ```ts
 * import { bucketedBatches } from "espalier/nn";
 *
 * const lengths = [9, 1, 8, 2, 9, 1];
 * const batches = bucketedBatches(lengths, 2, 7, 0);
 * const spread = batches.map(([a = 0, b = 0]) => Math.abs((lengths[a] ?? 0) - (lengths[b] ?? 0)));
 * console.assert(Math.max(...spread) === 6 && batches.length === 3);
 * ```
 */
export function bucketedBatches(
  lengths: readonly number[],
  batchSize: number,
  seed: number,
  epoch: number,
): readonly Uint32Array[] {
  const shuffled = shuffledBatches(lengths.length, batchSize, seed, epoch);
  const pooled: Uint32Array[] = [];
  for (let first = 0; first < shuffled.length; first += POOL) {
    const pool = shuffled.slice(first, first + POOL).flatMap((batch) => [...batch]);
    pool.sort((a, b) => (lengths[a] ?? 0) - (lengths[b] ?? 0));
    pooled.push(...cut(Uint32Array.from(pool), batchSize));
  }
  const order = permutation(openStream(seed, STREAM.buckets, epoch), pooled.length);
  return Array.from(order, (index) => pooled[index] ?? new Uint32Array(0));
}

function cut(order: Uint32Array, batchSize: number): readonly Uint32Array[] {
  const batches: Uint32Array[] = [];
  for (let start = 0; start < order.length; start += batchSize) {
    batches.push(order.subarray(start, start + batchSize));
  }
  return batches;
}
