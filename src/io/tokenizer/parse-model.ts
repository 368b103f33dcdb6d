/** Parses the models of tokenizer.json. */
import { describe } from "../../core/checks.ts";
import { isJsonObject } from "../json.ts";
import { complainInto, type Fields, isTokenId, readCount, readText } from "./json-fields.ts";
import type { Model } from "./model.ts";
import { expectedTypes, type Others } from "./other-parsers.ts";

/** Parses a model. Problems are added to `fields.problems`; if there are any, the result must not be used. */
export function parseModel(fields: Fields, others: Others): Model {
  const type = fields.json.type ?? inferredType(fields);
  switch (type) {
    case "WordPiece":
      return {
        type,
        vocabulary: readVocabulary(fields),
        unknownToken: readText(fields, "unk_token"),
        continuingPrefix: readText(fields, "continuing_subword_prefix"),
        maxCharacters: readCount(fields, "max_input_chars_per_word"),
      };
    case "WordLevel":
      return {
        type,
        vocabulary: readVocabulary(fields),
        unknownToken: readText(fields, "unk_token"),
      };
  }
  const found = typeof type === "string" ? others?.models.parse(type, fields) : undefined;
  if (found !== undefined) return found;
  complainInto(fields, "type", expectedTypes(TYPES, others?.models));
  return { type: "WordLevel", vocabulary: new Map(), unknownToken: "" };
}

const TYPES: readonly string[] = ["WordPiece", "WordLevel"];

/** Old files do not name the type. */
function inferredType({ json }: Fields): string {
  if ("merges" in json) return "BPE";
  if ("max_input_chars_per_word" in json) return "WordPiece";
  return "unk_token" in json ? "WordLevel" : "Unigram";
}

/** Reads the ids of tokens. */
export function readVocabulary(fields: Fields): ReadonlyMap<string, number> {
  const { vocab } = fields.json;
  const vocabulary = new Map<string, number>();
  if (!isJsonObject(vocab)) {
    complainInto(fields, "vocab", "an object with an id for each token");
    return vocabulary;
  }
  for (const [token, id] of Object.entries(vocab)) {
    if (isTokenId(id)) vocabulary.set(token, id);
    else
      fields.problems.push({
        path: `${fields.path}.vocab[${JSON.stringify(token)}]`,
        expected: "an id",
        got: describe(id),
      });
  }
  return vocabulary;
}
