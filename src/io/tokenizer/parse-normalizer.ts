/** Parses the normalizers of tokenizer.json. */
import { complainInto, type Fields, readFlag, readObjects } from "./json-fields.ts";
import type { Normalizer } from "./normalizer.ts";
import { expectedTypes, type Others } from "./other-parsers.ts";

const TYPES: readonly string[] = ["BertNormalizer", "Lowercase", "Strip", "Sequence"];

/** Parses a normalizer. Problems are added to `fields.problems`; if there are any, the result must not be used. */
export function parseNormalizer(fields: Fields, others: Others): Normalizer {
  const { type } = fields.json;
  switch (type) {
    case "Lowercase":
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
    case "Sequence":
      return {
        type,
        normalizers: readObjects(fields, "normalizers").map((one) => parseNormalizer(one, others)),
      };
  }
  const found = typeof type === "string" ? others?.normalizers.parse(type, fields) : undefined;
  if (found !== undefined) return found;
  complainInto(fields, "type", expectedTypes(TYPES, others?.normalizers));
  return { type: "Lowercase" };
}
