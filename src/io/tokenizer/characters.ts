/**
 * Classes of characters, with the tables that the parts of Hugging Face's `tokenizers` 0.22.2 use for BERT. The Unicode
 * tables of JavaScript engines differ between versions, so they are not used.
 */
import { KINDS, RUNS } from "./flags.generated.ts";
import { flagsOf } from "./tables.ts";

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
  /** Surrounded by spaces in BERT's normalizer. */
  chinese: 16,
} as const;

/** Returns the classes of a code point, as bits of {@link FLAG}. */
export const characterFlags: (codePoint: number) => number = /* @__PURE__ */ flagsOf(KINDS, RUNS);

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
