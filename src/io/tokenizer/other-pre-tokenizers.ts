/** The pre-tokenizers of tokenizer.json that BERT's tokenizers do not have. */
import { byteCharacters } from "./byte-characters.ts";
import { byteLevelParts } from "./byte-level-split.ts";
import { characterFlags, FLAG } from "./characters.ts";
import {
  complainInto,
  type Fields,
  readChoice,
  readCount,
  readFlag,
  readText,
} from "./json-fields.ts";
import { BEHAVIORS, characterParts, type Part, partsOf, splitText } from "./matches.ts";
import { type Metaspace, metaspace } from "./metaspace.ts";
import { type PartParsers, partParsers } from "./other-parsers.ts";
import { parsePattern } from "./parse-pattern.ts";
import type { ByteLevel, OtherPreTokenizer } from "./pre-tokenizer.ts";
import { mapText, prepend, slice, type Text } from "./text.ts";
import { WORD_FLAG, wordFlags } from "./word-characters.ts";

function splitting(split: (text: Text) => readonly Text[]): OtherPreTokenizer {
  return { type: "other", split };
}

export const OTHER_PRE_TOKENIZERS: PartParsers<OtherPreTokenizer> = /* @__PURE__ */ partParsers({
  Whitespace: () => splitting((text) => splitText(text, wordParts(text.text), "Removed")),
  WhitespaceSplit: () =>
    splitting((text) => splitText(text, characterParts(text.text, isSpace), "Removed")),
  Punctuation: (fields) => {
    const behavior = readChoice(fields, "behavior", BEHAVIORS, "Isolated");
    return splitting((text) => splitText(text, characterParts(text.text, isPunctuation), behavior));
  },
  Digits: (fields) => {
    const behavior = readFlag(fields, "individual_digits") ? "Isolated" : "Contiguous";
    return splitting((text) => splitText(text, characterParts(text.text, isNumeric), behavior));
  },
  Split: parseSplit,
  CharDelimiterSplit: (fields) => {
    const delimiter = readCharacter(fields, "delimiter");
    return splitting((text) => splitText(text, partsOf(delimiter, text.text), "Removed"));
  },
  FixedLength: (fields) => {
    const length = readCount(fields, "length", 5);
    if (length === 0) complainInto(fields, "length", "an integer from 1");
    return splitting((text) => fixedLengthParts(text, length));
  },
  Metaspace: (fields) => {
    const options = parseMetaspace(fields);
    return splitting((text) => metaspace(options, text));
  },
  ByteLevel: parseByteLevel,
});

function parseSplit(fields: Fields): OtherPreTokenizer {
  const pattern = parsePattern(fields);
  const behavior = readChoice(fields, "behavior", BEHAVIORS);
  const invert = readFlag(fields, "invert");
  return splitting((text) => {
    const parts = partsOf(pattern, text.text);
    return splitText(text, invert ? inverted(parts) : parts, behavior);
  });
}

function parseByteLevel(fields: Fields): ByteLevel {
  return {
    type: "ByteLevel",
    addPrefixSpace: readFlag(fields, "add_prefix_space"),
    useRegex: readFlag(fields, "use_regex", true),
    writeBytes: byteCharacters,
    split: ({ addPrefixSpace, useRegex, writeBytes }, text) => {
      const spaced = addPrefixSpace && !text.text.startsWith(" ") ? prepend(text, " ") : text;
      const words = useRegex
        ? splitText(spaced, byteLevelParts(spaced.text), "Isolated")
        : [spaced];
      return writeBytes === undefined ? words : words.map((word) => mapText(word, writeBytes));
    },
  };
}

const SCHEMES = ["always", "first", "never"] as const;

function parseMetaspace(fields: Fields): Metaspace {
  const declared = readChoice(fields, "prepend_scheme", SCHEMES, "always");
  // Old files have this flag only.
  const adds =
    (fields.json.add_prefix_space ?? null) === null || readFlag(fields, "add_prefix_space");
  if (!adds && fields.json.prepend_scheme !== undefined && declared !== "never")
    complainInto(fields, "add_prefix_space", `true, as prepend_scheme is ${declared}`);
  const { split } = fields.json;
  return {
    replacement: readCharacter(fields, "replacement"),
    prependScheme: adds ? declared : "never",
    split: (split ?? null) === null || readFlag(fields, "split"),
  };
}

function readCharacter(fields: Fields, key: string): string {
  const character = readText(fields, key);
  if (typeof fields.json[key] === "string" && [...character].length !== 1)
    complainInto(fields, key, "one character");
  return character;
}

export function isWord(codePoint: number): boolean {
  return (wordFlags(codePoint) & WORD_FLAG.word) !== 0;
}

function isSpace(codePoint: number): boolean {
  return (characterFlags(codePoint) & FLAG.space) !== 0;
}

function isPunctuation(codePoint: number): boolean {
  return (characterFlags(codePoint) & FLAG.punctuation) !== 0;
}

function isNumeric(codePoint: number): boolean {
  return (wordFlags(codePoint) & WORD_FLAG.numeric) !== 0;
}

function inverted(parts: readonly Part[]): readonly Part[] {
  return parts.map((part) => ({ ...part, isMatch: !part.isMatch }));
}

/** Matches the text between the matches of `\w+|[^\w\s]+`. */
function wordParts(text: string): readonly Part[] {
  const parts: Part[] = [];
  let previous = "";
  let at = 0;
  for (const character of text) {
    const c = character.codePointAt(0) ?? 0;
    const kind = isSpace(c) ? "space" : isWord(c) ? "word" : "other";
    const last = parts.at(-1);
    const end = at + character.length;
    if (last !== undefined && kind === previous) last.end = end;
    else parts.push({ start: at, end, isMatch: kind === "space" });
    previous = kind;
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
