/** Parses patterns of tokenizer.json. */
import { isLeft } from "../../core/either.ts";
import { isJsonObject } from "../json.ts";
import { complainInto, type Fields } from "./json-fields.ts";
import type { Pattern } from "./matches.ts";
import { parseRegularExpression } from "./regular-expression.ts";

/** Parses `pattern`: `{"String": ...}` or `{"Regex": ...}`. */
export function parsePattern(fields: Fields): Pattern {
  const { pattern } = fields.json;
  if (isJsonObject(pattern)) {
    const { String: literal, Regex: expression } = pattern;
    if (typeof literal === "string") return literal;
    if (typeof expression === "string") {
      const parsed = parseRegularExpression(`${fields.path}.pattern`, expression);
      if (!isLeft(parsed)) return parsed.right;
      fields.problems.push(...parsed.left);
      return "";
    }
  }
  complainInto(fields, "pattern", "an object with String or Regex");
  return "";
}
