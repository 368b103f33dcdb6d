/** Parses the normalizers of tokenizer.json. */
import { isLeft } from "../../core/either.ts";
import { isJsonObject } from "../json.ts";
import { complainInto, type Fields, readFlag, readObjects, readText } from "./json-fields.ts";
import type { Pattern } from "./matches.ts";
import type { Normalizer } from "./normalizer.ts";
import type { Parsers, RareParsers } from "./parsers.ts";

/** Parses a normalizer. Problems are added to `fields.problems`; if there are any, the result must not be used. */
export function parseNormalizer(fields: Fields, rare: Parsers): Normalizer {
  const { type } = fields.json;
  switch (type) {
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD":
      if (rare === null) break;
      return { type, apply: (text) => rare.normalForm(type, text) };
    case "Lowercase":
    case "StripAccents":
    case "Nmt":
    case "ByteLevel":
      return { type };
    case "BertNormalizer": {
      const lowercase = readFlag(fields, "lowercase");
      const { strip_accents: accents } = fields.json;
      return {
        type,
        cleanText: readFlag(fields, "clean_text"),
        handleChineseChars: readFlag(fields, "handle_chinese_chars"),
        stripAccents: (accents ?? null) === null ? lowercase : readFlag(fields, "strip_accents"),
        lowercase,
      };
    }
    case "Strip":
      return { type, left: readFlag(fields, "strip_left"), right: readFlag(fields, "strip_right") };
    case "Replace":
      return { type, pattern: parsePattern(fields, rare), content: readText(fields, "content") };
    case "Prepend":
      return { type, prepend: readText(fields, "prepend") };
    case "Precompiled": {
      if (rare === null) break;
      const path = `${fields.path}.precompiled_charsmap`;
      const found = rare.characterMap(path, readText(fields, "precompiled_charsmap"));
      if (isLeft(found)) fields.problems.push(...found.left);
      return { type, apply: isLeft(found) ? (text) => text : found.right };
    }
    case "Sequence":
      return {
        type,
        normalizers: readObjects(fields, "normalizers").map((one) => parseNormalizer(one, rare)),
      };
  }
  const known = NORMALIZERS.filter((name) => rare !== null || !RARE.includes(name));
  complainInto(fields, "type", `one of ${known.join(", ")}`);
  return { type: "Lowercase" };
}

/** The normalizers whose code is passed in. */
const RARE: readonly string[] = ["NFC", "NFD", "NFKC", "NFKD", "Precompiled"];

const NORMALIZERS: readonly string[] = [
  "BertNormalizer",
  "NFC",
  "NFD",
  "NFKC",
  "NFKD",
  "Lowercase",
  "StripAccents",
  "Strip",
  "Replace",
  "Prepend",
  "Precompiled",
  "Nmt",
  "ByteLevel",
  "Sequence",
];

/** Parses `pattern`: `{"String": ...}` or `{"Regex": ...}`. */
export function parsePattern(
  fields: Fields,
  rare: Pick<RareParsers, "expression"> | null,
): Pattern {
  const { pattern } = fields.json;
  if (isJsonObject(pattern)) {
    const { String: literal, Regex: expression } = pattern;
    if (typeof literal === "string") return literal;
    if (typeof expression === "string" && rare !== null) {
      const parsed = rare.expression(`${fields.path}.pattern`, expression);
      if (isLeft(parsed)) fields.problems.push(...parsed.left);
      else return parsed.right;
      return "";
    }
  }
  complainInto(fields, "pattern", `an object with String${rare === null ? "" : " or Regex"}`);
  return "";
}
