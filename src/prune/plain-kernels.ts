/**
 * The loops of {@link PruningKernels} in plain JavaScript: the default, and the reference of the compiled ones.
 *
 * Which blocks are pruned is as good as random, so a branch on it is mispredicted half of the time and costs
 * more than everything else; comparisons are turned into numbers instead.
 */
import type { PruningKernels } from "../core/pruning-kernels.ts";

const words = new WeakMap<Float32Array, Uint32Array>();

/** The bits of an array's floats: one view for each array, so that repeated calls make none. */
function wordsOf(values: Float32Array): Uint32Array {
  let view = words.get(values);
  // An array over a buffer that grows may have grown with it.
  if (view?.length !== values.length) {
    view = new Uint32Array(values.buffer, values.byteOffset, values.length);
    words.set(values, view);
  }
  return view;
}

function magnitude(values: Float32Array, at: number): number {
  return Math.abs(values[at] as number);
}

function product(values: Float32Array, factors: Float32Array, at: number): number {
  return Math.abs(Math.fround((values[at] as number) * (factors[at] as number)));
}

/** Sum of a block of magnitudes with its top at `at`. */
function sumMagnitudes(values: Float32Array, at: number, height: number, columns: number): number {
  let sum = magnitude(values, at);
  if (height === 1) return sum;
  sum = Math.fround(sum + magnitude(values, at + columns));
  if (height === 2) return sum;
  sum = Math.fround(sum + magnitude(values, at + 2 * columns));
  return height === 3 ? sum : Math.fround(sum + magnitude(values, at + 3 * columns));
}

/** Sum of a block of products; in the open like the above, since a loop over the rows takes half as long again. */
function sumProducts(
  values: Float32Array,
  factors: Float32Array,
  at: number,
  height: number,
  columns: number,
): number {
  let sum = product(values, factors, at);
  if (height === 1) return sum;
  sum = Math.fround(sum + product(values, factors, at + columns));
  if (height === 2) return sum;
  sum = Math.fround(sum + product(values, factors, at + 2 * columns));
  return height === 3 ? sum : Math.fround(sum + product(values, factors, at + 3 * columns));
}

function updateFromMagnitudes(
  values: Float32Array,
  height: number,
  columns: number,
  divisor: number,
  momentum: number,
  scores: Float32Array,
): void {
  // A product with 1, 1/2 or 1/4 is the quotient, and faster.
  const inverse = 1 / divisor;
  const isExact = divisor !== 3;
  const replaces = momentum === 0;
  let block = 0;
  for (let base = 0; block < scores.length; base += height * columns)
    for (let at = base; at < base + columns; at++, block++) {
      const sum = sumMagnitudes(values, at, height, columns);
      const fresh = Math.fround(isExact ? sum * inverse : sum / divisor);
      scores[block] = replaces ? fresh : Math.fround((scores[block] as number) * momentum) + fresh;
    }
}

/** {@link updateFromProducts} for four rows, the usual height, where one case less to tell is a tenth of the time. */
function updateFromFourProducts(
  values: Float32Array,
  factors: Float32Array,
  columns: number,
  divisor: number,
  momentum: number,
  scores: Float32Array,
): void {
  const inverse = 1 / divisor;
  const [second, third, fourth] = [columns, 2 * columns, 3 * columns];
  let block = 0;
  for (let base = 0; block < scores.length; base += 4 * columns) {
    const end = base + columns;
    for (let at = base; at < end; at++, block++) {
      let sum = Math.fround(product(values, factors, at) + product(values, factors, at + second));
      sum = Math.fround(sum + product(values, factors, at + third));
      sum = Math.fround(sum + product(values, factors, at + fourth));
      const kept = Math.fround((scores[block] as number) * momentum);
      scores[block] = kept + Math.fround(sum * inverse);
    }
  }
}

function updateFromProducts(
  values: Float32Array,
  factors: Float32Array,
  height: number,
  columns: number,
  divisor: number,
  momentum: number,
  scores: Float32Array,
): void {
  if (height === 4 && divisor !== 3 && momentum !== 0) {
    updateFromFourProducts(values, factors, columns, divisor, momentum, scores);
    return;
  }
  // A product with 1, 1/2 or 1/4 is the quotient, and faster.
  const inverse = 1 / divisor;
  const isExact = divisor !== 3;
  const replaces = momentum === 0;
  let block = 0;
  for (let base = 0; block < scores.length; base += height * columns)
    for (let at = base; at < base + columns; at++, block++) {
      const sum = sumProducts(values, factors, at, height, columns);
      const fresh = Math.fround(isExact ? sum * inverse : sum / divisor);
      scores[block] = replaces ? fresh : Math.fround((scores[block] as number) * momentum) + fresh;
    }
}

/** All bits set where a mask is 1, none where it is 0. A plain minus would make -0 of 0, no integer. */
function keptBits(mask: Uint8Array, at: number): number {
  return ((mask[at] as number) ^ 1) - 1;
}

/** Zeroes the values from `to` on where the mask from `at` on is 0. */
function applyToRow(
  mask: Uint8Array,
  at: number,
  columns: number,
  bits: Uint32Array,
  to: number,
): void {
  for (let i = 0; i < columns; i++)
    bits[to + i] = (bits[to + i] as number) & keptBits(mask, at + i);
}

/** The same for all of the four rows of a row of blocks: each entry of the mask is read once. */
function applyToFourRows(mask: Uint8Array, at: number, columns: number, bits: Uint32Array): void {
  const [second, third, fourth] = [columns, 2 * columns, 3 * columns];
  for (let i = at; i < at + columns; i++) {
    const keep = keptBits(mask, i);
    bits[i] = (bits[i] as number) & keep;
    bits[i + second] = (bits[i + second] as number) & keep;
    bits[i + third] = (bits[i + third] as number) & keep;
    bits[i + fourth] = (bits[i + fourth] as number) & keep;
  }
}

/** Four at a time, which takes three quarters of the time of one by one. */
function countUpTo(scores: Float32Array, threshold: number): number {
  const whole = scores.length & ~3;
  let [first, second, third, fourth] = [0, 0, 0, 0];
  for (let i = 0; i < whole; i += 4) {
    first += Number(scores[i] <= threshold);
    second += Number(scores[i + 1] <= threshold);
    third += Number(scores[i + 2] <= threshold);
    fourth += Number(scores[i + 3] <= threshold);
  }
  for (let i = whole; i < scores.length; i++) first += Number(scores[i] <= threshold);
  return first + second + third + fourth;
}

/** Four at a time, which takes two thirds of the time of one by one. */
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

/** Four at a time, which takes half of the time. A word that begins as the sought one does leaves its lower half. */
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

/** The loops in plain JavaScript. */
export const plainKernels: PruningKernels = Object.freeze({
  updateScoresInto(values, factors, height, columns, divisor, momentum, scores) {
    if (factors === null) updateFromMagnitudes(values, height, columns, divisor, momentum, scores);
    else updateFromProducts(values, factors, height, columns, divisor, momentum, scores);
  },

  countLeadingBitsInto(chunks, histogram) {
    for (const chunk of chunks) countLeading(wordsOf(chunk), histogram);
  },

  countTrailingBitsInto(chunks, leading, histogram) {
    for (const chunk of chunks) countTrailing(wordsOf(chunk), leading, histogram);
  },

  countBelow(scores, threshold, inclusive) {
    if (inclusive) return countUpTo(scores, threshold);
    let count = 0;
    for (let i = 0; i < scores.length; i++) count += Number((scores[i] as number) < threshold);
    return count;
  },

  writeMaskInto(scores, threshold, inclusive, height, columns, mask) {
    let block = 0;
    for (let base = 0; block < scores.length; base += height * columns) {
      const end = base + columns;
      if (inclusive)
        for (let at = base; at < end; at++)
          mask[at] = 1 - Number((scores[block++] as number) <= threshold);
      else
        for (let at = base; at < end; at++)
          mask[at] = 1 - Number((scores[block++] as number) < threshold);
      for (let row = 1; row < height; row++) mask.copyWithin(base + row * columns, base, end);
    }
  },

  applyMaskInto(mask, height, columns, values) {
    const bits = wordsOf(values);
    const count = height * columns;
    for (let start = 0; start < mask.length; start += count)
      if (height === 4) applyToFourRows(mask, start, columns, bits);
      else
        for (let row = 0; row < height; row++)
          applyToRow(mask, start, columns, bits, start + row * columns);
  },
} satisfies PruningKernels);
