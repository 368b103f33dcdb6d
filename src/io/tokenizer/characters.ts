/**
 * Classes of characters, with the tables that the parts of Hugging Face's `tokenizers` 0.22.2 use. The Unicode tables
 * of JavaScript engines differ between versions, so they are not used.
 */
import { KINDS, RUNS } from "./flags.generated.ts";

/** A sorted list of disjoint ranges: first, last, first, last, and so on. */
export type Ranges = readonly number[];

export const LAST_CODE_POINT = 0x10ffff;

/** The bits of {@link characterFlags}. */
export const FLAG = {
  space: 1,
  /** Removed by `clean_text`. */
  removed: 2,
  /** Split off by BERT, and by `Punctuation`. */
  punctuation: 4,
  /** Removed by BERT's `strip_accents`. */
  nonspacing: 8,
  /** Removed by `StripAccents`. */
  mark: 16,
  /** Split off by `Digits`. */
  numeric: 32,
  /** Matched by `\w` in `Whitespace` and in the search for added tokens. */
  word: 64,
  /** `\p{L}`. */
  letter: 128,
  /** `\p{N}`. */
  number: 256,
  /** Surrounded by spaces in BERT's normalizer. */
  chinese: 512,
} as const;

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

/** The table of {@link characterFlags}. */
const flagTable: () => FlagTable = /* @__PURE__ */ once(() => {
  const table = new Uint16Array(TABLE_END);
  const starts: number[] = [];
  const flags: number[] = [];
  const kinds = numbersOf(KINDS);
  let first = 0;
  for (const [, length = "", letter = ""] of RUNS.matchAll(/([0-9a-z]*)([A-Z#$%&*])/g)) {
    const end = first + (length === "" ? 1 : Number.parseInt(length, 36));
    const kind = kinds["ABCDEFGHIJKLMNOPQRSTUVWXYZ#$%&*".indexOf(letter)] ?? 0;
    table.fill(kind, first, end);
    if (end > TABLE_END) {
      starts.push(Math.max(first, TABLE_END));
      flags.push(kind);
    }
    first = end;
  }
  return { table, starts, flags };
});

/** Returns the classes of a code point, as bits of {@link FLAG}. */
export function characterFlags(codePoint: number): number {
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
}

/** Returns the number of UTF-16 code units of a code point. */
export function unitsOf(codePoint: number): 1 | 2 {
  return codePoint > 0xffff ? 2 : 1;
}

/** Returns the code point before an index, or -1 at the beginning. */
export function codePointBefore(text: string, index: number): number {
  if (index <= 0) return -1;
  const unit = text.charCodeAt(index - 1);
  const isPair = unit >= 0xdc00 && unit < 0xe000 && index > 1;
  return isPair ? (text.codePointAt(index - 2) ?? -1) : unit;
}

/** Whether all characters of a text are ASCII. */
export function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

/** Replaces lone surrogates, which UTF-8 cannot encode, with U+FFFD. */
export function wellFormed(text: string): string {
  return text.replace(
    /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
    "\ufffd",
  );
}
