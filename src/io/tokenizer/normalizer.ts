/** The normalizers of tokenizer.json. */

import { byteCharacters } from "./byte-characters.ts";
import { characterFlags, FLAG, isAscii, type Ranges } from "./characters.ts";
import { decomposed } from "./decompositions.ts";
import { lowercase } from "./lowercase.ts";
import { type Pattern, replaceMatches } from "./matches.ts";
import type { NormalForm } from "./normal-forms.ts";
import { mapText, prepend, slice, type Text } from "./text.ts";

/** Options of BERT's normalizer. */
export interface BertNormalizer {
  readonly type: "BertNormalizer";
  readonly cleanText: boolean;
  readonly handleChineseChars: boolean;
  readonly stripAccents: boolean;
  readonly lowercase: boolean;
}

export type Normalizer =
  | BertNormalizer
  | { readonly type: NormalForm | "Precompiled"; readonly apply: (text: Text) => Text }
  | { readonly type: "Lowercase" | "StripAccents" | "Nmt" | "ByteLevel" }
  | { readonly type: "Strip"; readonly left: boolean; readonly right: boolean }
  | { readonly type: "Replace"; readonly pattern: Pattern; readonly content: string }
  | { readonly type: "Prepend"; readonly prepend: string }
  | { readonly type: "Sequence"; readonly normalizers: readonly Normalizer[] };

/** Normalizes a text. */
export function normalize(normalizer: Normalizer, text: Text): Text {
  switch (normalizer.type) {
    case "BertNormalizer":
      return bertNormalize(normalizer, text);
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD":
    case "Precompiled":
      return normalizer.apply(text);
    case "Lowercase":
      return mapText(text, lowercase);
    case "StripAccents":
      return mapText(text, (part) => without(part, FLAG.mark));
    case "Nmt":
      return mapText(text, nmt);
    case "ByteLevel":
      return mapText(text, byteCharacters);
    case "Strip":
      return strip(text, normalizer.left, normalizer.right);
    case "Replace":
      return replaceMatches(text, normalizer.pattern, normalizer.content);
    case "Prepend":
      return prepend(text, normalizer.prepend);
    case "Sequence":
      return normalizer.normalizers.reduce((result, one) => normalize(one, result), text);
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
    result = mapText(decomposed(result), (part) => without(part, FLAG.nonspacing));
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

/** Removes the characters with a flag. None of them is ASCII. */
function without(text: string, flag: number): string {
  if (isAscii(text)) return text;
  let kept = "";
  for (const character of text)
    if ((characterFlags(character.codePointAt(0) ?? 0) & flag) === 0) kept += character;
  return kept;
}

/** Removes control characters, and turns whitespace and some invisible characters into spaces. */
function nmt(text: string): string {
  let kept = "";
  for (const character of text) {
    const c = character.codePointAt(0) ?? 0;
    if (inRanges(NMT_SPACES, c)) kept += " ";
    else if (!inRanges(NMT_REMOVED, c)) kept += character;
  }
  return kept;
}

const NMT_REMOVED: Ranges = [1, 8, 0xb, 0xb, 0xe, 0x1f, 0x7f, 0x7f, 0x8f, 0x8f, 0x9f, 0x9f];

const NMT_SPACES: Ranges = [
  ...[9, 0xa, 0xc, 0xd, 0x1680, 0x1680, 0x200b, 0x200f, 0x2028, 0x2029, 0x2581, 0x2581],
  ...[0xfeff, 0xfeff, 0xfffd, 0xfffd],
];

function inRanges(ranges: Ranges, codePoint: number): boolean {
  for (let i = 0; i + 1 < ranges.length; i += 2)
    if (codePoint >= (ranges[i] ?? 0) && codePoint <= (ranges[i + 1] ?? 0)) return true;
  return false;
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
