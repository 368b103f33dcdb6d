/** Reads generated tables. Numbers are in base 36. */

/** Returns a function that computes a value once. */
export function once<T extends object>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** Reads the numbers of a table. */
export function numbersOf(data: string): number[] {
  return data
    .trim()
    .split(/\s+/)
    .map((digits) => Number.parseInt(digits, 36));
}

/** Reads a list of gaps and lengths. */
export function rangesOf(data: string): number[] {
  const numbers = numbersOf(data);
  const ranges: number[] = [];
  let end = 0;
  for (let i = 0; i + 1 < numbers.length; i += 2) {
    const first = end + (numbers[i] ?? 0);
    end = first + (numbers[i + 1] ?? 0);
    ranges.push(first, end - 1);
  }
  return ranges;
}

/** Code points below this number have an entry in a table. All others form a few runs with equal flags. */
const TABLE_END = 0x34000;

interface FlagTable {
  readonly table: Uint16Array;
  /** The first code points of runs from {@link TABLE_END}, and the flags of the runs. */
  readonly starts: readonly number[];
  readonly flags: readonly number[];
}

/**
 * Returns a function from a code point to its flags.
 *
 * @param kinds the flags of each letter
 * @param runs lengths of runs, 1 if left out, each with a letter
 */
export function flagsOf(kinds: string, runs: string): (codePoint: number) => number {
  const flagTable = once(() => readFlags(kinds, runs));
  return (codePoint) => {
    const { table, starts, flags } = flagTable();
    if (codePoint < TABLE_END) return table[codePoint] ?? 0;
    let low = 0;
    let high = starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((starts[middle] ?? 0) <= codePoint) low = middle;
      else high = middle;
    }
    return flags[low] ?? 0;
  };
}

function readFlags(kinds: string, runs: string): FlagTable {
  const table = new Uint16Array(TABLE_END);
  const starts: number[] = [];
  const flags: number[] = [];
  const kindOf = numbersOf(kinds);
  let first = 0;
  for (const [, length = "", letter = ""] of runs.matchAll(/([0-9a-z]*)([A-Z#$%&*])/g)) {
    const end = first + (length === "" ? 1 : Number.parseInt(length, 36));
    const kind = kindOf["ABCDEFGHIJKLMNOPQRSTUVWXYZ#$%&*".indexOf(letter)] ?? 0;
    table.fill(kind, first, end);
    if (end > TABLE_END) {
      starts.push(Math.max(first, TABLE_END));
      flags.push(kind);
    }
    first = end;
  }
  return { table, starts, flags };
}
