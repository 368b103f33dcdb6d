/** The batches of an epoch: shuffled or bucketed by length. The last one may be shorter. */
import { checkInteger } from "../core/checks.ts";
import { openStream, permutation, STREAM } from "../core/random.ts";

/** How batches are formed: `shuffled` at random, or `bucketed` by length ({@link bucketedBatches}). */
export type Batching = "shuffled" | "bucketed";

export const BATCHINGS: readonly Batching[] = Object.freeze(["shuffled", "bucketed"]);

/** Batches that {@link bucketedBatches} sorts together. */
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
 * The batches of one epoch: a permutation of 0..count-1 that depends only on (seed, epoch), cut into batches. The
 * last batch may be shorter (`drop_last=False` of the example script).
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
 * The batches of one epoch with examples of similar length together, to save padding: 50 batches of
 * {@link shuffledBatches} at a time are sorted by length (stably) and cut again, then all batches are shuffled. The
 * result depends only on (lengths, seed, epoch).
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
