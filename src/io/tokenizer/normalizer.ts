/** The normalizers of tokenizer.json. */

import { characterFlags, FLAG, isAscii } from "./characters.ts";
import { decomposed } from "./decompositions.ts";
import { lowercase } from "./lowercase.ts";
import { mapText, slice, type Text } from "./text.ts";

/** Options of BERT's normalizer. */
export interface BertNormalizer {
  readonly type: "BertNormalizer";
  readonly cleanText: boolean;
  readonly handleChineseChars: boolean;
  readonly stripAccents: boolean;
  readonly lowercase: boolean;
}

/** A normalizer whose code is passed in. */
export interface OtherNormalizer {
  readonly type: "other";
  readonly apply: (text: Text) => Text;
}

export type Normalizer =
  | BertNormalizer
  | OtherNormalizer
  | { readonly type: "Lowercase" }
  | { readonly type: "Strip"; readonly left: boolean; readonly right: boolean }
  | { readonly type: "Sequence"; readonly normalizers: readonly Normalizer[] };

/** Normalizes a text. */
export function normalize(normalizer: Normalizer, text: Text): Text {
  switch (normalizer.type) {
    case "BertNormalizer":
      return bertNormalize(normalizer, text);
    case "Lowercase":
      return mapText(text, lowercase);
    case "Strip":
      return strip(text, normalizer.left, normalizer.right);
    case "Sequence":
      return normalizer.normalizers.reduce((result, one) => normalize(one, result), text);
    case "other":
      return normalizer.apply(text);
    default:
      return normalizer satisfies never;
  }
}

function bertNormalize(options: BertNormalizer, text: Text): Text {
  const { cleanText, handleChineseChars } = options;
  let result = text;
  if (cleanText || handleChineseChars)
    result = mapText(result, (part) => cleanAndSpace(part, cleanText, handleChineseChars));
  if (options.stripAccents && !isAscii(result.text))
    result = mapText(decomposed(result), withoutAccents);
  return options.lowercase ? mapText(result, lowercase) : result;
}

/** Removes control characters, turns whitespace characters into spaces, and adds spaces around Chinese characters. */
function cleanAndSpace(text: string, clean: boolean, chinese: boolean): string {
  if (isPrintableAscii(text)) return text;
  let cleaned = "";
  for (const character of text) {
    const flags = characterFlags(character.codePointAt(0) ?? 0);
    if (clean && (flags & FLAG.removed) !== 0) continue;
    if (clean && (flags & FLAG.space) !== 0) cleaned += " ";
    else if (chinese && (flags & FLAG.chinese) !== 0) cleaned += ` ${character} `;
    else cleaned += character;
  }
  return cleaned;
}

function isPrintableAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x20 || unit > 0x7e) return false;
  }
  return true;
}

/** Removes nonspacing marks. None of them is ASCII. */
function withoutAccents(text: string): string {
  return withoutCharacters(text, (c) => (characterFlags(c) & FLAG.nonspacing) !== 0);
}

/** Removes the characters for which a test holds. None of them may be ASCII. */
export function withoutCharacters(text: string, isRemoved: (codePoint: number) => boolean): string {
  if (isAscii(text)) return text;
  let kept = "";
  for (const character of text) if (!isRemoved(character.codePointAt(0) ?? 0)) kept += character;
  return kept;
}

/** Removes white space at the ends. All white space is in the basic plane. */
function strip(text: Text, left: boolean, right: boolean): Text {
  const isSpace = (index: number): boolean =>
    (characterFlags(text.text.charCodeAt(index)) & FLAG.space) !== 0;
  let start = 0;
  let end = text.text.length;
  while (left && start < end && isSpace(start)) start++;
  while (right && end > start && isSpace(end - 1)) end--;
  return start === 0 && end === text.text.length ? text : slice(text, start, end);
}
