/** Replays tokenizer vectors. Each line of a JSONL file is one vector. */
import { getOrThrow } from "../core/either.ts";
import { isJsonObject, type JsonValue, parseJson } from "../io/json.ts";
import { encode, type Tokenizer } from "../io/tokenizer.ts";
import { compare, type Difference } from "./difference.ts";
import { judge, type Verdict } from "./verdict.ts";

/** Returns one verdict for each line of a file, named `source:line`. */
export function replayTokenizer(
  source: string,
  cases: string,
  tokenizer: Tokenizer,
): readonly Verdict[] {
  const lines = cases.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line, index) => {
    const name = `${source}:${index + 1}`;
    return judge("tokenizer", name, () => lineDifference(tokenizer, name, line));
  });
}

/** Tokenizes the text of a line and compares the ids. @throws Error if the line is invalid */
function lineDifference(tokenizer: Tokenizer, name: string, line: string): Difference | undefined {
  const json = getOrThrow(parseJson(name, line));
  if (!isJsonObject(json)) throw new Error("expected an object");
  const { text, text_pair: pair, max_length: length, ...ids } = json;
  if (typeof text !== "string") throw new Error("text: expected a string");
  if (typeof pair !== "string" && pair !== null)
    throw new Error("text_pair: expected text or null");
  if (typeof length !== "number" && length !== null)
    throw new Error("max_length: expected a number or null");
  const { input_ids: inputIds, token_type_ids: tokenTypeIds } = ids;
  if (!isNumberList(inputIds)) throw new Error("input_ids: expected a list of numbers");
  if (!isNumberList(tokenTypeIds)) throw new Error("token_type_ids: expected a list of numbers");
  const got = encode(tokenizer, text, pair ?? undefined, length ?? undefined);
  return (
    compare("input_ids", inputIds, got.inputIds) ??
    compare("token_type_ids", tokenTypeIds, got.tokenTypeIds)
  );
}

function isNumberList(value: JsonValue | undefined): value is readonly number[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === "number");
}
