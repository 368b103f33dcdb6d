/**
 * Splits text into words like BERT's basic tokenizer: drops control characters, converts to lower case, strips accents,
 * and splits at whitespace, punctuation and Chinese characters.
 */
import { characterClass } from "./unicode-classes.ts";

/** Options for normalisation, each with its key in tokenizer_config.json. */
export interface WordOptions {
  /** `do_lower_case`; default true. */
  readonly lowercase: boolean;
  /** `strip_accents`; the default is the value of `lowercase`. */
  readonly stripAccents: boolean;
  /** `tokenize_chinese_chars`: whether each Chinese character is a word; default true. */
  readonly splitChinese: boolean;
}

/**
 * Splits `text` into normalised words. A word between spaces stays as it is if `kept` contains it.
 */
export function splitWords(
  text: string,
  options: WordOptions,
  kept: ReadonlySet<string> = NO_WORDS,
): string[] {
  if (!mayContain(text, kept)) return splitText(text, options);
  return normalize(cleanText(text, { ...options, lowercase: false }), "NFC")
    .split(" ")
    .flatMap((word) => (kept.has(word) ? [word] : splitText(word, options)));
}

const NO_WORDS: ReadonlySet<string> = /* @__PURE__ */ new Set();

/** Whether the cleaned text may contain a word. Cleaning and normalisation never give a bracket. */
function mayContain(text: string, words: ReadonlySet<string>): boolean {
  for (const word of words) if (!word.startsWith("[") || text.includes("[")) return true;
  return false;
}

function splitText(text: string, options: WordOptions): string[] {
  const form = options.stripAccents ? "NFD" : "NFC";
  const words: string[] = [];
  let word = "";
  const endWord = (): void => {
    if (word !== "") words.push(word);
    word = "";
  };
  for (const character of normalize(cleanText(text, options), form)) {
    const kind = characterClass(character.codePointAt(0) as number);
    if (kind === "space") endWord();
    else if (kind === "punctuation") {
      endWord();
      words.push(character);
    } else if (kind !== "mark" || !options.stripAccents) word += character;
  }
  endWord();
  return words;
}

/**
 * Drops control characters, turns every whitespace character into a space, adds spaces around Chinese characters, and
 * converts the text to lower case. As in the reference implementation, characters are converted one by one, so a
 * capital sigma never becomes a final sigma.
 */
function cleanText(text: string, { lowercase, splitChinese }: WordOptions): string {
  let cleaned = "";
  for (const character of text) {
    const codePoint = character.codePointAt(0) as number;
    const kind = characterClass(codePoint);
    if (kind === "control") continue;
    if (kind === "space") cleaned += " ";
    else if (splitChinese && isChinese(codePoint)) cleaned += ` ${character} `;
    else cleaned += lowercase ? character.toLowerCase() : character;
  }
  return cleaned;
}

/** The maximum length, in UTF-16 code units, of texts that are normalised in one call. */
const SHORT_TEXT = 2048;

/**
 * Applies canonical Unicode normalisation. Engines take quadratic time for consecutive combining marks, so long runs of
 * them are split.
 */
function normalize(text: string, form: "NFC" | "NFD"): string {
  if (text.length <= SHORT_TEXT) return text.normalize(form);
  const parts = text.split(/(?<=\p{M}{128})/u);
  return parts.map((part) => part.normalize(form)).join("");
}

/** BERT's list of Unicode blocks of CJK ideographs. Kana and hangul are not in it. */
const CHINESE_BLOCKS: readonly (readonly [number, number])[] = [
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xf900, 0xfaff],
  [0x20000, 0x2a6df],
  [0x2a700, 0x2b73f],
  [0x2b740, 0x2b81f],
  [0x2b820, 0x2ceaf],
  [0x2f800, 0x2fa1f],
];

function isChinese(codePoint: number): boolean {
  if (codePoint < 0x3400) return false;
  return CHINESE_BLOCKS.some(([first, last]) => codePoint >= first && codePoint <= last);
}
