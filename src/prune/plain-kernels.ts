/**
 * {@link PruningKernels} in plain JavaScript: the default kernels, and the reference for compiled ones.
 *
 * The positions of pruned blocks look random. A branch that depends on them would be mispredicted half of the time,
 * which would cost more than all other work, so comparisons are converted to numbers.
 */
import type { PruningKernels } from "../core/pruning-kernels.ts";
import { wordsOf } from "./words.ts";

function magnitude(values: Float32Array, factors: Float32Array | null, at: number): number {
  return Math.abs(factors === null ? values[at] : Math.fround(values[at] * factors[at]));
}

/**
 * The sum of the magnitudes in a block with one column and up to four rows, which begins at `at`. Unrolled, because a
 * loop over the rows takes 1.5 times as long.
 */
function sumBlock(
  values: Float32Array,
  factors: Float32Array | null,
  at: number,
  height: number,
  columns: number,
): number {
  let sum = magnitude(values, factors, at);
  if (height === 1) return sum;
  sum = Math.fround(sum + magnitude(values, factors, at + columns));
  if (height === 2) return sum;
  sum = Math.fround(sum + magnitude(values, factors, at + 2 * columns));
  return height === 3 ? sum : Math.fround(sum + magnitude(values, factors, at + 3 * columns));
}

function updateScores(
  values: Float32Array,
  factors: Float32Array | null,
  height: number,
  columns: number,
  divisor: number,
  momentum: number,
  scores: Float32Array,
): void {
  const replaces = momentum === 0;
  if (replaces && height === 1 && factors === null) {
    // Each block is a single element, so the divisor is 1.
    for (let i = 0; i < scores.length; i++) scores[i] = Math.abs(values[i]);
    return;
  }
  let block = 0;
  for (let base = 0; block < scores.length; base += height * columns)
    for (let at = base; at < base + columns; at++, block++) {
      const fresh = Math.fround(sumBlock(values, factors, at, height, columns) / divisor);
      scores[block] = replaces ? fresh : Math.fround(scores[block] * momentum) + fresh;
    }
}

/**
 * {@link updateScores} for products with momentum, blocks of four rows, and a number of columns that is a multiple of
 * four. Unrolled to four blocks per iteration, because the engine's checks in each iteration cost as much as one block.
 * Written without helper functions, because the engine inlines only a limited number of calls.
 */
function updateFromFourProducts(
  values: Float32Array,
  factors: Float32Array,
  columns: number,
  divisor: number,
  momentum: number,
  scores: Float32Array,
): void {
  const { abs, fround } = Math;
  // The divisor is 1 or 4, so multiplying by its inverse is exact, and faster.
  const inverse = 1 / divisor;
  let block = 0;
  for (let base = 0; block < scores.length; base += 4 * columns) {
    const end = base + columns;
    let [a, b, c, d] = [base, end, end + columns, end + 2 * columns];
    for (; a < end; a += 4, b += 4, c += 4, d += 4, block += 4) {
      let first = fround(abs(values[a] * factors[a]));
      first = fround(first + fround(abs(values[b] * factors[b])));
      first = fround(first + fround(abs(values[c] * factors[c])));
      first = fround(first + fround(abs(values[d] * factors[d])));
      let second = fround(abs(values[a + 1] * factors[a + 1]));
      second = fround(second + fround(abs(values[b + 1] * factors[b + 1])));
      second = fround(second + fround(abs(values[c + 1] * factors[c + 1])));
      second = fround(second + fround(abs(values[d + 1] * factors[d + 1])));
      let third = fround(abs(values[a + 2] * factors[a + 2]));
      third = fround(third + fround(abs(values[b + 2] * factors[b + 2])));
      third = fround(third + fround(abs(values[c + 2] * factors[c + 2])));
      third = fround(third + fround(abs(values[d + 2] * factors[d + 2])));
      let fourth = fround(abs(values[a + 3] * factors[a + 3]));
      fourth = fround(fourth + fround(abs(values[b + 3] * factors[b + 3])));
      fourth = fround(fourth + fround(abs(values[c + 3] * factors[c + 3])));
      fourth = fround(fourth + fround(abs(values[d + 3] * factors[d + 3])));
      scores[block] = fround(scores[block] * momentum) + fround(first * inverse);
      scores[block + 1] = fround(scores[block + 1] * momentum) + fround(second * inverse);
      scores[block + 2] = fround(scores[block + 2] * momentum) + fround(third * inverse);
      scores[block + 3] = fround(scores[block + 3] * momentum) + fround(fourth * inverse);
    }
  }
}

/**
 * -1, with all bits set, if the mask entry is 1, otherwise 0. Unlike negation, this never yields -0, which engines do
 * not treat as an integer.
 */
function keptBits(mask: Uint8Array, at: number): number {
  return (mask[at] ^ 1) - 1;
}

function keepFour(bits: Uint32Array, at: number, a: number, b: number, c: number, d: number): void {
  bits[at] &= a;
  bits[at + 1] &= b;
  bits[at + 2] &= c;
  bits[at + 3] &= d;
}

/**
 * Zeroes the pruned elements of one or four rows, which share one row of the mask. The number of columns must be a
 * multiple of four. Unrolled, which takes two thirds of the time of a simple loop.
 */
function applyByFours(
  mask: Uint8Array,
  at: number,
  height: number,
  columns: number,
  bits: Uint32Array,
): void {
  const end = at + columns;
  for (let i = at; i < end; i += 4) {
    const first = keptBits(mask, i);
    const second = keptBits(mask, i + 1);
    const third = keptBits(mask, i + 2);
    const fourth = keptBits(mask, i + 3);
    keepFour(bits, i, first, second, third, fourth);
    if (height === 1) continue;
    keepFour(bits, i + columns, first, second, third, fourth);
    keepFour(bits, i + 2 * columns, first, second, third, fourth);
    keepFour(bits, i + 3 * columns, first, second, third, fourth);
  }
}

/**
 * Returns a limit for which `x <= limit` is the same as `x < threshold` for all float32 numbers x, or with `inclusive`
 * the same as `x <= threshold`.
 */
function limitOf(threshold: number, inclusive: boolean): number {
  if (inclusive) return threshold;
  // No number is less than -Infinity, and `x <= NaN` is always false.
  if (threshold === -Infinity) return NaN;
  const finite = Math.min(threshold, Number.MAX_VALUE);
  // Subtract less than the distance to the next float32 number.
  return finite - Math.max(Math.abs(finite) * 2 ** -30, Number.MIN_VALUE);
}

/** Counts the scores up to `limit`. Unrolled, which takes three quarters of the time of a simple loop. */
function countUpTo(scores: Float32Array, limit: number): number {
  const whole = scores.length & ~3;
  let count = 0;
  for (let i = 0; i < whole; i += 4)
    count +=
      Number(scores[i] <= limit) +
      Number(scores[i + 1] <= limit) +
      Number(scores[i + 2] <= limit) +
      Number(scores[i + 3] <= limit);
  for (let i = whole; i < scores.length; i++) count += Number(scores[i] <= limit);
  return count;
}

/** Counts scores by their upper 16 bits. Unrolled, which takes two thirds of the time of a simple loop. */
function countLeading(bits: Uint32Array, histogram: Uint32Array): void {
  const whole = bits.length & ~3;
  for (let i = 0; i < whole; i += 4) {
    histogram[bits[i] >>> 16]++;
    histogram[bits[i + 1] >>> 16]++;
    histogram[bits[i + 2] >>> 16]++;
    histogram[bits[i + 3] >>> 16]++;
  }
  for (let i = whole; i < bits.length; i++) histogram[bits[i] >>> 16]++;
}

/**
 * Counts the scores with the upper 16 bits `leading` by their lower 16 bits: XOR with the upper bits `leading` leaves
 * only the lower bits of such a score. Unrolled, which takes half of the time of a simple loop.
 */
function countTrailing(bits: Uint32Array, leading: number, histogram: Uint32Array): void {
  const sought = leading << 16;
  const whole = bits.length & ~3;
  for (let i = 0; i < whole; i += 4) {
    const first = bits[i] ^ sought;
    const second = bits[i + 1] ^ sought;
    const third = bits[i + 2] ^ sought;
    const fourth = bits[i + 3] ^ sought;
    if (first >>> 16 === 0) histogram[first]++;
    if (second >>> 16 === 0) histogram[second]++;
    if (third >>> 16 === 0) histogram[third]++;
    if (fourth >>> 16 === 0) histogram[fourth]++;
  }
  for (let i = whole; i < bits.length; i++)
    if (bits[i] >>> 16 === leading) histogram[bits[i] & 0xffff]++;
}

/** The pruning kernels in plain JavaScript. */
export const plainKernels: PruningKernels = /* @__PURE__ */ Object.freeze({
  updateScoresInto(values, factors, height, columns, divisor, momentum, scores) {
    if (factors !== null && height === 4 && columns % 4 === 0 && momentum !== 0)
      updateFromFourProducts(values, factors, columns, divisor, momentum, scores);
    else updateScores(values, factors, height, columns, divisor, momentum, scores);
  },

  countLeadingBitsInto(chunks, histogram) {
    for (const chunk of chunks) countLeading(wordsOf(chunk), histogram);
  },

  countTrailingBitsInto(chunks, leading, histogram) {
    for (const chunk of chunks) countTrailing(wordsOf(chunk), leading, histogram);
  },

  countBelow(scores, threshold, inclusive) {
    return countUpTo(scores, limitOf(threshold, inclusive));
  },

  writeMaskInto(scores, threshold, inclusive, height, columns, mask) {
    const limit = limitOf(threshold, inclusive);
    let block = 0;
    for (let base = 0; block < scores.length; base += height * columns) {
      const end = base + columns;
      for (let at = base; at < end; at++) mask[at] = 1 - Number(scores[block++] <= limit);
      for (let row = 1; row < height; row++) mask.copyWithin(base + row * columns, base, end);
    }
  },

  applyMaskInto(mask, height, columns, values) {
    const bits = wordsOf(values);
    for (let start = 0; start < mask.length; start += height * columns)
      if ((height === 1 || height === 4) && columns % 4 === 0)
        applyByFours(mask, start, height, columns, bits);
      else
        for (let row = 0; row < height; row++)
          for (let i = start; i < start + columns; i++)
            bits[i + row * columns] &= keptBits(mask, i);
  },
} satisfies PruningKernels);
