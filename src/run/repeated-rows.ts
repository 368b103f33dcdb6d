/** Counts rows that occur in another set, by a hash table of row numbers: exact, and without a copy of the tokens. */
import type { PackedTokens } from "../train/packed-rows.ts";

/** Returns the number of rows in `others` with the tokens of a row in `rows`. */
export function countRepeated(rows: PackedTokens, others: PackedTokens): number {
  const size = 2 ** Math.ceil(Math.log2(2 * rows.length + 1));
  /** The number of a row, counted from 1, at its hash or at the next free place; 0 for none. */
  const table = new Uint32Array(size);
  /** Returns the place of the first row with the tokens of a row of `set`, or the free place after those tried. */
  const placeOf = (set: PackedTokens, row: number): number => {
    let place = hashOf(set, row) & (size - 1);
    for (let known = table[place] as number; known > 0; known = table[place] as number) {
      if (isSame(rows, known - 1, set, row)) break;
      place = (place + 1) & (size - 1);
    }
    return place;
  };
  for (let row = 0; row < rows.length; row++) table[placeOf(rows, row)] = row + 1;
  let count = 0;
  for (let row = 0; row < others.length; row++) if (table[placeOf(others, row)] !== 0) count++;
  return count;
}

/** Returns an FNV-1a hash over the words of a row, with its high bits mixed into the low ones. */
function hashOf(set: PackedTokens, row: number): number {
  const end = set.ends[row] as number;
  let hash = 0x811c9dc5;
  for (let i = set.begins[row] as number; i < end; i++)
    hash = Math.imul(hash ^ (set.inputIds[i] as number), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}

function isSame(a: PackedTokens, rowOfA: number, b: PackedTokens, rowOfB: number): boolean {
  const firstOfA = a.begins[rowOfA] as number;
  const firstOfB = b.begins[rowOfB] as number;
  const length = (a.ends[rowOfA] as number) - firstOfA;
  if ((b.ends[rowOfB] as number) - firstOfB !== length) return false;
  for (let i = 0; i < length; i++)
    if (a.inputIds[firstOfA + i] !== b.inputIds[firstOfB + i]) return false;
  return true;
}
