/** Parses the pre-tokenizers of tokenizer.json. */
import {
  complainInto,
  type Fields,
  readChoice,
  readCount,
  readFlag,
  readObjects,
  readText,
} from "./json-fields.ts";
import { BEHAVIORS } from "./matches.ts";
import { parsePattern } from "./parse-normalizer.ts";
import type { Parsers } from "./parsers.ts";
import type { PreTokenizer } from "./pre-tokenizer.ts";

/** Parses a pre-tokenizer. Problems are added to `fields.problems`; if there are any, the result must not be used. */
export function parsePreTokenizer(fields: Fields, rare: Parsers): PreTokenizer {
  const { type } = fields.json;
  switch (type) {
    case "BertPreTokenizer":
    case "Whitespace":
    case "WhitespaceSplit":
      return { type };
    case "Punctuation":
      return { type, behavior: readChoice(fields, "behavior", BEHAVIORS, "Isolated") };
    case "Digits":
      return { type, individual: readFlag(fields, "individual_digits") };
    case "Split":
      return {
        type,
        pattern: parsePattern(fields, rare),
        behavior: readChoice(fields, "behavior", BEHAVIORS),
        invert: readFlag(fields, "invert"),
      };
    case "CharDelimiterSplit":
      return { type, delimiter: readCharacter(fields, "delimiter") };
    case "FixedLength": {
      const length = readCount(fields, "length", 5);
      if (length === 0) complainInto(fields, "length", "an integer from 1");
      return { type, length };
    }
    case "Metaspace":
      return parseMetaspace(fields);
    case "ByteLevel":
      return {
        type,
        addPrefixSpace: readFlag(fields, "add_prefix_space"),
        useRegex: readFlag(fields, "use_regex", true),
        writesBytes: true,
      };
    case "Sequence":
      return {
        type,
        preTokenizers: readObjects(fields, "pretokenizers").map((one) =>
          parsePreTokenizer(one, rare),
        ),
      };
    default:
      complainInto(fields, "type", `one of ${PRE_TOKENIZERS.join(", ")}`);
      return { type: "WhitespaceSplit" };
  }
}

const PRE_TOKENIZERS: readonly string[] = [
  "BertPreTokenizer",
  "Whitespace",
  "WhitespaceSplit",
  "Punctuation",
  "Digits",
  "Split",
  "CharDelimiterSplit",
  "FixedLength",
  "Metaspace",
  "ByteLevel",
  "Sequence",
];

const SCHEMES = ["always", "first", "never"] as const;

function parseMetaspace(fields: Fields): PreTokenizer {
  const declared = readChoice(fields, "prepend_scheme", SCHEMES, "always");
  // Old files have this flag only.
  const adds =
    (fields.json.add_prefix_space ?? null) === null || readFlag(fields, "add_prefix_space");
  if (!adds && fields.json.prepend_scheme !== undefined && declared !== "never")
    complainInto(fields, "add_prefix_space", `true, as prepend_scheme is ${declared}`);
  const { split } = fields.json;
  return {
    type: "Metaspace",
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

/**
 * Removes the conversion of bytes to characters from the last step, so that the model converts only words that are not
 * in its cache. Returns undefined if the last step has no such conversion.
 */
export function withoutLastBytes(preTokenizer: PreTokenizer): PreTokenizer | undefined {
  if (preTokenizer.type === "ByteLevel") return { ...preTokenizer, writesBytes: false };
  if (preTokenizer.type !== "Sequence") return undefined;
  const last = preTokenizer.preTokenizers.at(-1);
  const changed = last === undefined ? undefined : withoutLastBytes(last);
  if (changed === undefined) return undefined;
  return { ...preTokenizer, preTokenizers: [...preTokenizer.preTokenizers.slice(0, -1), changed] };
}
