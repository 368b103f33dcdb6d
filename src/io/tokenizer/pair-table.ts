/**
 * A hash table from pairs of integers to integers, in plain typed arrays. It stores the merges of BPE and the edges of
 * tries.
 */

/** A table. Its size is a power of two. Empty places have the value -1. */
export interface PairTable {
  firsts: Int32Array;
  seconds: Int32Array;
  values: Int32Array;
  count: number;
}

export function createPairTable(expected: number): PairTable {
  const size = 2 ** Math.ceil(Math.log2(Math.max(8, expected * 2)));
  return {
    firsts: new Int32Array(size),
    seconds: new Int32Array(size),
    values: new Int32Array(size).fill(-1),
    count: 0,
  };
}

function placeOf({ firsts, seconds, values }: PairTable, first: number, second: number): number {
  const mask = values.length - 1;
  let hash = Math.imul(first, 0x9e3779b1) ^ Math.imul(second, 0x85ebca6b);
  hash ^= hash >>> 15;
  let place = hash & mask;
  while (values[place] !== -1 && (firsts[place] !== first || seconds[place] !== second))
    place = (place + 1) & mask;
  return place;
}

/** Returns the value of a pair, or -1. */
export function pairValue(table: PairTable, first: number, second: number): number {
  return table.values[placeOf(table, first, second)] ?? -1;
}

/** Sets the value of a pair. The value must not be negative. The table grows if it is half full. */
export function setPairInto(table: PairTable, first: number, second: number, value: number): void {
  const place = placeOf(table, first, second);
  if (table.values[place] === -1) table.count++;
  table.firsts[place] = first;
  table.seconds[place] = second;
  table.values[place] = value;
  if (table.count * 2 > table.values.length) growInto(table);
}

function growInto(table: PairTable): void {
  const { firsts, seconds, values } = table;
  Object.assign(table, createPairTable(values.length));
  for (let i = 0; i < values.length; i++)
    if (values[i] !== -1) setPairInto(table, firsts[i] ?? 0, seconds[i] ?? 0, values[i] ?? 0);
}
