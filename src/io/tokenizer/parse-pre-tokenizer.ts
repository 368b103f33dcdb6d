/** Parses the pre-tokenizers of tokenizer.json. */
import { complainInto, type Fields, readObjects } from "./json-fields.ts";
import { expectedTypes, type Others } from "./other-parsers.ts";
import type { PreTokenizer } from "./pre-tokenizer.ts";

const TYPES: readonly string[] = ["BertPreTokenizer", "Sequence"];

/** Parses a pre-tokenizer. Problems are added to `fields.problems`; if there are any, the result must not be used. */
export function parsePreTokenizer(fields: Fields, others: Others): PreTokenizer {
  const { type } = fields.json;
  if (type === "BertPreTokenizer") return { type };
  if (type === "Sequence") {
    const steps = readObjects(fields, "pretokenizers");
    return { type, preTokenizers: steps.map((one) => parsePreTokenizer(one, others)) };
  }
  const found = typeof type === "string" ? others?.preTokenizers.parse(type, fields) : undefined;
  if (found !== undefined) return found;
  complainInto(fields, "type", expectedTypes(TYPES, others?.preTokenizers));
  return { type: "BertPreTokenizer" };
}

/** A pre-tokenizer that leaves the conversion of bytes to characters to the model. */
interface WithoutBytes {
  readonly preTokenizer: PreTokenizer;
  readonly writeBytes: (text: string) => string;
}

/**
 * Removes the conversion of bytes to characters from the last step, so that the model converts only words that are not
 * in its cache. Returns undefined if the last step has no such conversion.
 */
export function withoutLastBytes(preTokenizer: PreTokenizer): WithoutBytes | undefined {
  if (preTokenizer.type === "ByteLevel") {
    const { writeBytes } = preTokenizer;
    return writeBytes && { preTokenizer: { ...preTokenizer, writeBytes: undefined }, writeBytes };
  }
  if (preTokenizer.type !== "Sequence") return undefined;
  const last = preTokenizer.preTokenizers.at(-1);
  const changed = last === undefined ? undefined : withoutLastBytes(last);
  if (changed === undefined) return undefined;
  const preTokenizers = [...preTokenizer.preTokenizers.slice(0, -1), changed.preTokenizer];
  return { ...changed, preTokenizer: { ...preTokenizer, preTokenizers } };
}
