/** Parses the model Unigram of tokenizer.json. */
import { describe } from "../../core/checks.ts";
import type { JsonValue } from "../json.ts";
import { complainInto, type Fields, readCount, readFlag, readList } from "./json-fields.ts";
import { type UnigramModel, unigramModel } from "./unigram.ts";

/** Problems are added to `fields.problems`; if there are any, the result must not be used. */
export function parseUnigram(fields: Fields): UnigramModel {
  const entries: (readonly [string, number])[] = [];
  for (const [index, entry] of readList(fields, "vocab").entries()) {
    const [token, score] = Array.isArray(entry) ? (entry as readonly JsonValue[]) : [];
    if (typeof token === "string" && typeof score === "number") entries.push([token, score]);
    else
      fields.problems.push({
        path: `${fields.path}.vocab[${index}]`,
        expected: "a token and its score",
        got: describe(entry),
      });
  }
  const unknownId = (fields.json.unk_id ?? null) === null ? null : readCount(fields, "unk_id");
  if (unknownId !== null && unknownId >= entries.length)
    complainInto(fields, "unk_id", `an id below ${entries.length}`);
  return unigramModel(entries, unknownId, readFlag(fields, "byte_fallback", false));
}
