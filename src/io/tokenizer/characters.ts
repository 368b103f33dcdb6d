/**
 * Classes of characters, with the tables that the parts of Hugging Face's `tokenizers` 0.22.2 use. The Unicode tables
 * of JavaScript engines differ between versions, so they are not used.
 */
import {
  CATEGORIES,
  CHINESE,
  MARKS,
  NONSPACING,
  NUMERIC,
  PUNCTUATION,
  REMOVED,
  SPACES,
  WORDS,
} from "./characters.generated.ts";

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

const CATEGORY_NAMES =
  "Cn Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co".split(
    " ",
  );
const CATEGORY_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ#$%";

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

/** The ranges of each general category, by its name, such as `Lu`. */
export const categoryRanges: () => ReadonlyMap<string, Ranges> = /* @__PURE__ */ once(() => {
  const ranges = new Map<string, number[]>(CATEGORY_NAMES.map((name) => [name, []]));
  let first = 0;
  for (const [, length = "", letter = ""] of CATEGORIES.matchAll(/([0-9a-z]+)([A-Z#$%])/g)) {
    const end = first + Number.parseInt(length, 36);
    const name = CATEGORY_NAMES[CATEGORY_LETTERS.indexOf(letter)] ?? "";
    ranges.get(name)?.push(first, end - 1);
    first = end;
  }
  return ranges;
});

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
  const all = new Uint16Array(LAST_CODE_POINT + 1);
  const flip = (bit: number, ranges: Ranges): void => {
    for (let i = 0; i + 1 < ranges.length; i += 2) {
      const last = ranges[i + 1] ?? 0;
      for (let c = ranges[i] ?? 0; c <= last; c++) all[c] = (all[c] ?? 0) ^ bit;
    }
  };
  const set = (bit: number, categories: string, difference: string): void => {
    for (const name of categories.split(" ")) flip(bit, categoryRanges().get(name) ?? []);
    flip(bit, rangesOf(difference));
  };
  set(FLAG.space, "", SPACES);
  set(FLAG.removed, "", REMOVED);
  set(FLAG.punctuation, "Pc Pd Ps Pe Pi Pf Po", PUNCTUATION);
  set(FLAG.nonspacing, "Mn", NONSPACING);
  set(FLAG.mark, "Mn Mc Me", MARKS);
  set(FLAG.numeric, "Nd Nl No", NUMERIC);
  set(FLAG.word, "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl Pc", WORDS);
  set(FLAG.chinese, "", CHINESE);
  for (const name of ["Lu", "Ll", "Lt", "Lm", "Lo"])
    flip(FLAG.letter, categoryRanges().get(name) ?? []);
  for (const name of ["Nd", "Nl", "No"]) flip(FLAG.number, categoryRanges().get(name) ?? []);
  const starts: number[] = [];
  const flags: number[] = [];
  for (let c = TABLE_END; c <= LAST_CODE_POINT; c++) {
    if (c > TABLE_END && all[c] === all[c - 1]) continue;
    starts.push(c);
    flags.push(all[c] ?? 0);
  }
  return { table: all.slice(0, TABLE_END), starts, flags };
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
