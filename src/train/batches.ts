/** The order in which a training run sees its examples: shuffled anew each epoch, the last batch kept. */
import { checkInteger } from "../core/checks.ts";
import { openStream, permutation, STREAM } from "../core/random.ts";

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

function cut(order: Uint32Array, batchSize: number): readonly Uint32Array[] {
  const batches: Uint32Array[] = [];
  for (let start = 0; start < order.length; start += batchSize) {
    batches.push(order.subarray(start, start + batchSize));
  }
  return batches;
}
