/**
 * Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2,
 * 3", SC 2011). A draw depends only on its key and counter, so the number of threads, padding and resuming cannot
 * change it.
 */

export const MULTIPLIER_0 = 0xd2511f53;
export const MULTIPLIER_1 = 0xcd9e8d57;
export const WEYL_0 = 0x9e3779b9;
export const WEYL_1 = 0xbb67ae85;
export const PHILOX_ROUNDS = 10;

/** The high 32 bits of the 64-bit product of two unsigned 32-bit integers. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const low = aLow * bLow;
  const middle1 = aHigh * bLow + (low >>> 16);
  const middle2 = aLow * bHigh + (middle1 & 0xffff);
  return (aHigh * bHigh + Math.floor(middle1 / 0x10000) + Math.floor(middle2 / 0x10000)) >>> 0;
}

/** Writes the Philox block for a counter (c0, c1, c2, c3) and a key (k0, k1) to `out`: four unsigned 32-bit words. */
export function philoxInto(
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  k0: number,
  k1: number,
  out: Uint32Array,
): void {
  let x0 = c0 >>> 0;
  let x1 = c1 >>> 0;
  let x2 = c2 >>> 0;
  let x3 = c3 >>> 0;
  let key0 = k0 >>> 0;
  let key1 = k1 >>> 0;
  for (let round = 0; round < PHILOX_ROUNDS; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, x0);
    const low0 = Math.imul(MULTIPLIER_0, x0) >>> 0;
    const high1 = multiplyHigh(MULTIPLIER_1, x2);
    const low1 = Math.imul(MULTIPLIER_1, x2) >>> 0;
    x0 = (high1 ^ x1 ^ key0) >>> 0;
    x1 = low1;
    x2 = (high0 ^ x3 ^ key1) >>> 0;
    x3 = low0;
    key0 = (key0 + WEYL_0) >>> 0;
    key1 = (key1 + WEYL_1) >>> 0;
  }
  out[0] = x0;
  out[1] = x1;
  out[2] = x2;
  out[3] = x3;
}

/**
 * The number of the random stream for each purpose. The dropout operations in a forward pass use the numbers from
 * `dropout` upwards.
 */
export const STREAM: Readonly<
  Record<"shuffle" | "initialise" | "generate" | "buckets" | "split" | "dropout", number>
> = /* @__PURE__ */ Object.freeze({
  shuffle: 1,
  initialise: 2,
  generate: 3,
  buckets: 4,
  split: 5,
  dropout: 1024,
});

/** A stream of random numbers and the current position in it, as plain data. */
export interface RandomStream {
  readonly seed: number;
  readonly stream: number;
  readonly substream: number;
  /** The number of 32-bit words drawn so far. */
  drawn: number;
  readonly block: Uint32Array;
}

/** Opens a stream at its start. The seed is a non-negative integer below 2^53. */
export function openStream(seed: number, stream: number, substream: number = 0): RandomStream {
  return { seed, stream, substream, drawn: 0, block: new Uint32Array(4) };
}

/** Splits a seed below 2^53 into the two 32-bit words of a Philox key, the low word first. */
export function seedKey(seed: number): readonly [number, number] {
  return [seed >>> 0, Math.floor(seed / 0x100000000) >>> 0];
}

/** Draws an unsigned 32-bit word from a stream and advances the stream. */
export function nextUint32(stream: RandomStream): number {
  const index = stream.drawn & 3;
  if (index === 0) {
    const [k0, k1] = seedKey(stream.seed);
    const position = Math.floor(stream.drawn / 4);
    const high = Math.floor(position / 0x100000000);
    philoxInto(position, high, stream.stream, stream.substream, k0, k1, stream.block);
  }
  stream.drawn++;
  return stream.block[index];
}

/** Draws a uniform integer in [0, bound) by rejection sampling. `bound` is at most 2^32. */
export function nextBelow(stream: RandomStream, bound: number): number {
  const limit = 0x100000000 - (0x100000000 % bound);
  for (;;) {
    const word = nextUint32(stream);
    if (word < limit) return word % bound;
  }
}

/** Draws a uniform number in [0, 1) with 53 random bits. */
export function nextUnit(stream: RandomStream): number {
  const high = nextUint32(stream) >>> 5;
  const low = nextUint32(stream) >>> 6;
  return (high * 0x4000000 + low) / 0x20000000000000;
}

/** Draws a standard normal number by Marsaglia's polar method. The second number of each pair is discarded. */
export function nextNormal(stream: RandomStream): number {
  for (;;) {
    const u = 2 * nextUnit(stream) - 1;
    const v = 2 * nextUnit(stream) - 1;
    const s = u * u + v * v;
    if (s > 0 && s < 1) return u * Math.sqrt((-2 * Math.log(s)) / s);
  }
}

/** Draws a random permutation of 0..count-1 (Fisher-Yates shuffle). */
export function permutation(stream: RandomStream, count: number): Uint32Array {
  const order = new Uint32Array(count);
  for (let i = 0; i < count; i++) order[i] = i;
  for (let i = count - 1; i > 0; i--) {
    const j = nextBelow(stream, i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
