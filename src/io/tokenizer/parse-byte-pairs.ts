/** Parses the model BPE of tokenizer.json. */
import type { JsonValue } from "../json.ts";
import { type BytePairModel, bytePairModel } from "./bpe.ts";
import { complainInto, type Fields, readFlag, readList, readTextOrNull } from "./json-fields.ts";
import { createPairTable, setPairInto } from "./pair-table.ts";
import { readVocabulary } from "./parse-model.ts";

function readOptionalFlag(fields: Fields, key: string): boolean {
  return (fields.json[key] ?? null) !== null && readFlag(fields, key);
}

/** Problems are added to `fields.problems`; if there are any, the result must not be used. */
export function parseBytePairs(fields: Fields): BytePairModel {
  const { dropout } = fields.json;
  if ((dropout ?? null) !== null && dropout !== 0)
    complainInto(fields, "dropout", "null, since ids must not be random");
  const vocabulary = readVocabulary(fields);
  const continuingPrefix = readTextOrNull(fields, "continuing_subword_prefix") ?? "";
  const pairs = readList(fields, "merges");
  const merges = createPairTable(pairs.length);
  const merged = new Int32Array(pairs.length);
  // Lines that begin with #version are not counted.
  let rank = 0;
  for (const [index, value] of pairs.entries()) {
    const pair = mergePair(value);
    if (pair === "version") continue;
    const [left = "", right = ""] = pair ?? [];
    const ids = [
      vocabulary.get(left),
      vocabulary.get(right),
      right.startsWith(continuingPrefix)
        ? vocabulary.get(left + right.slice(continuingPrefix.length))
        : undefined,
    ] as const;
    const [a, b, both] = ids;
    if (pair === undefined || a === undefined || b === undefined || both === undefined) {
      const path = `${fields.path}.merges[${index}]`;
      const expected = pair === undefined ? "two tokens" : "two tokens that give a token";
      fields.problems.push({ path, expected, got: JSON.stringify(value).slice(0, 60) });
    } else {
      setPairInto(merges, a, b, rank);
      merged[rank] = both;
    }
    rank++;
  }
  return bytePairModel({
    type: "BPE",
    vocabulary,
    merges,
    merged,
    unknownToken: readTextOrNull(fields, "unk_token"),
    continuingPrefix,
    wordSuffix: readTextOrNull(fields, "end_of_word_suffix") ?? "",
    fuseUnknown: readOptionalFlag(fields, "fuse_unk"),
    byteFallback: readOptionalFlag(fields, "byte_fallback"),
    ignoreMerges: readOptionalFlag(fields, "ignore_merges"),
  });
}

/** Reads a merge: a list of two tokens, or both in a line. */
function mergePair(value: JsonValue): readonly string[] | "version" | undefined {
  if (typeof value === "string") {
    if (value.startsWith("#version")) return "version";
    const parts = value.split(" ");
    return parts.length === 2 ? parts : undefined;
  }
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  const [left, right] = value as readonly JsonValue[];
  return typeof left === "string" && typeof right === "string" ? [left, right] : undefined;
}
