/** The pre-tokenizers of tokenizer.json. They split text into the parts that the model tokenizes. */
import { byteCharacters } from "./byte-characters.ts";
import { byteLevelParts } from "./byte-level-split.ts";
import { characterFlags, FLAG } from "./characters.ts";
import {
  type Behavior,
  characterParts,
  type Part,
  type Pattern,
  partsOf,
  replaceMatches,
  splitText,
} from "./matches.ts";
import { mapText, prepend, slice, type Text } from "./text.ts";

export interface ByteLevel {
  readonly type: "ByteLevel";
  readonly addPrefixSpace: boolean;
  readonly useRegex: boolean;
  /** Whether bytes are converted to characters. The last step leaves this to the model. */
  readonly writesBytes: boolean;
}

export interface Metaspace {
  readonly type: "Metaspace";
  readonly replacement: string;
  readonly prependScheme: "always" | "first" | "never";
  readonly split: boolean;
}

export type PreTokenizer =
  | { readonly type: "BertPreTokenizer" | "Whitespace" | "WhitespaceSplit" }
  | { readonly type: "Punctuation"; readonly behavior: Behavior }
  | { readonly type: "Digits"; readonly individual: boolean }
  | {
      readonly type: "Split";
      readonly pattern: Pattern;
      readonly behavior: Behavior;
      readonly invert: boolean;
    }
  | { readonly type: "CharDelimiterSplit"; readonly delimiter: string }
  | { readonly type: "FixedLength"; readonly length: number }
  | ByteLevel
  | Metaspace
  | { readonly type: "Sequence"; readonly preTokenizers: readonly PreTokenizer[] };

/** Splits a text that is not empty. No part is empty. */
export function preTokenize(preTokenizer: PreTokenizer, text: Text): readonly Text[] {
  switch (preTokenizer.type) {
    case "BertPreTokenizer":
      return bertWords(text);
    case "WhitespaceSplit":
      return splitText(text, characterParts(text.text, isSpace), "Removed");
    case "Whitespace":
      return splitText(text, wordParts(text.text), "Removed");
    case "Punctuation":
      return splitText(text, characterParts(text.text, isPunctuation), preTokenizer.behavior);
    case "Digits": {
      const behavior = preTokenizer.individual ? "Isolated" : "Contiguous";
      return splitText(text, characterParts(text.text, isNumeric), behavior);
    }
    case "Split": {
      const parts = partsOf(preTokenizer.pattern, text.text);
      return splitText(text, preTokenizer.invert ? inverted(parts) : parts, preTokenizer.behavior);
    }
    case "CharDelimiterSplit":
      return splitText(text, partsOf(preTokenizer.delimiter, text.text), "Removed");
    case "FixedLength":
      return fixedLengthParts(text, preTokenizer.length);
    case "Metaspace":
      return metaspace(preTokenizer, text);
    case "ByteLevel": {
      const words = byteLevelWords(preTokenizer, text);
      if (!preTokenizer.writesBytes) return words;
      return words.map((word) => mapText(word, byteCharacters));
    }
    case "Sequence": {
      let parts: readonly Text[] = [text];
      for (const one of preTokenizer.preTokenizers)
        parts = parts.flatMap((part) => preTokenize(one, part));
      return parts;
    }
    default:
      return preTokenizer satisfies never;
  }
}

function isSpace(codePoint: number): boolean {
  return (characterFlags(codePoint) & FLAG.space) !== 0;
}

function isPunctuation(codePoint: number): boolean {
  return (characterFlags(codePoint) & FLAG.punctuation) !== 0;
}

function isNumeric(codePoint: number): boolean {
  return (characterFlags(codePoint) & FLAG.numeric) !== 0;
}

function inverted(parts: readonly Part[]): readonly Part[] {
  return parts.map((part) => ({ ...part, isMatch: !part.isMatch }));
}

/** Splits at white space, and splits punctuation off. */
function bertWords(text: Text): readonly Text[] {
  const words: Text[] = [];
  const { length } = text.text;
  let begin = 0;
  for (let at = 0; at < length; ) {
    const c = text.text.codePointAt(at) ?? 0;
    const end = at + (c > 0xffff ? 2 : 1);
    const flags = characterFlags(c) & (FLAG.space | FLAG.punctuation);
    if (flags !== 0) {
      if (at > begin) words.push(slice(text, begin, at));
      if ((flags & FLAG.space) === 0) words.push(slice(text, at, end));
      begin = end;
    }
    at = end;
  }
  if (length > begin) words.push(slice(text, begin, length));
  return words;
}

/** Matches the text between the matches of `\w+|[^\w\s]+`. */
function wordParts(text: string): readonly Part[] {
  const parts: Part[] = [];
  let kind = -1;
  let at = 0;
  for (const character of text) {
    const flags = characterFlags(character.codePointAt(0) ?? 0) & (FLAG.word | FLAG.space);
    const last = parts.at(-1);
    const end = at + character.length;
    if (last !== undefined && flags === kind) last.end = end;
    else parts.push({ start: at, end, isMatch: (flags & FLAG.space) !== 0 });
    kind = flags;
    at = end;
  }
  return parts;
}

function fixedLengthParts(text: Text, length: number): readonly Text[] {
  const parts: Text[] = [];
  let start = 0;
  let at = 0;
  let count = 0;
  for (const character of text.text) {
    at += character.length;
    if (++count % length > 0) continue;
    parts.push(slice(text, start, at));
    start = at;
  }
  if (at > start) parts.push(slice(text, start, at));
  return parts;
}

function metaspace({ replacement, prependScheme, split }: Metaspace, text: Text): readonly Text[] {
  const spaced = replaceMatches(text, " ", replacement);
  const isPrepended =
    !spaced.text.startsWith(replacement) &&
    // `first` prepends only to the part with the first character of the input.
    (prependScheme === "always" || (prependScheme === "first" && spaced.head > 0));
  const whole = isPrepended ? prepend(spaced, replacement) : spaced;
  if (!split) return [whole];
  return splitText(whole, partsOf(replacement, whole.text), "MergedWithNext");
}

function byteLevelWords({ addPrefixSpace, useRegex }: ByteLevel, text: Text): readonly Text[] {
  const spaced = addPrefixSpace && !text.text.startsWith(" ") ? prepend(text, " ") : text;
  return useRegex ? splitText(spaced, byteLevelParts(spaced.text), "Isolated") : [spaced];
}
