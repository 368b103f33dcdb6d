/** Classes of characters for the parts of `tokenizers` that BERT does not use. */
import { flagsOf } from "./tables.ts";
import { KINDS, RUNS } from "./word-flags.generated.ts";

/** The bits of {@link wordFlags}. */
export const WORD_FLAG = {
  /** Removed by `StripAccents`. */
  mark: 1,
  /** Split off by `Digits`. */
  numeric: 2,
  /** Matched by `\w` in `Whitespace` and in the search for added tokens. */
  word: 4,
  /** `\p{L}`. */
  letter: 8,
  /** `\p{N}`. */
  number: 16,
} as const;

/** Returns the classes of a code point, as bits of {@link WORD_FLAG}. */
export const wordFlags: (codePoint: number) => number = /* @__PURE__ */ flagsOf(KINDS, RUNS);
