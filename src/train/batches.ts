/** Divides the rows of an epoch into batches. */
import { checkInteger } from "../core/checks.ts";
import { openStream, permutation, STREAM } from "../core/random.ts";

/**
 * How the rows of an epoch are put into batches: `shuffled` at random, or `bucketed` by length (see {@link
 * bucketedBatches}).
 */
export type Batching = "shuffled" | "bucketed";

export const BATCHINGS: readonly Batching[] = Object.freeze(["shuffled", "bucketed"]);

/** The number of batches whose rows {@link bucketedBatches} sorts together. */
const POOL = 50;

/** Divides the indices from 0 to count - 1, in order, into batches. The last batch may be shorter. */
export function sequentialBatches(count: number, batchSize: number): readonly Uint32Array[] {
  checkInteger("count", count);
  checkInteger("batchSize", batchSize, 1);
  return cut(Uint32Array.from(Array(count).keys()), batchSize);
}

/**
 * Divides a random permutation of the indices from 0 to count - 1 into batches. The permutation depends only on seed
 * and epoch. The last batch may be shorter, as in INC's example script (`drop_last=False`).
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
 * Puts examples of similar length into the same batch, to reduce padding. Takes the examples of 50 batches of {@link
 * shuffledBatches} at a time, sorts them by length with a stable sort, and divides them into batches again. Then
 * shuffles all batches. The result depends only on lengths, batch size, seed and epoch.
 *
 * @param lengths - the length of every example
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
