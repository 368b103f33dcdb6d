/** Remembers texts by digests of 53 bits, to count the rows that occur in two files. */
import type { TextRow } from "./row-reader.ts";

/** A set of rows. Of a million rows, two different ones have the same digest with a probability of about 1e-4. */
export type TextIndex = Set<number>;

export function createTextIndex(): TextIndex {
  return new Set();
}

/** Adds the text and the pair of a row. Labels do not count. */
export function addText(index: TextIndex, row: TextRow): void {
  index.add(digest(row));
}

export function hasText(index: TextIndex, row: TextRow): boolean {
  return index.has(digest(row));
}

/** Two multiplicative hashes of 32 bits over the UTF-16 units, mixed at the end (cyrb53). */
function digest({ text, textPair }: TextRow): number {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  const add = (unit: number): void => {
    a = Math.imul(a ^ unit, 0x9e3779b1);
    b = Math.imul(b ^ unit, 0x5f356495);
  };
  for (let i = 0; i < text.length; i++) add(text.charCodeAt(i));
  // No UTF-16 unit has this value, so that ("ab", "c") and ("a", "bc") differ.
  add(textPair === null ? 0x10000 : 0x10001);
  if (textPair !== null) for (let i = 0; i < textPair.length; i++) add(textPair.charCodeAt(i));
  a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35);
  b = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
  return 0x100000000 * (b & 0x1fffff) + (a >>> 0);
}
