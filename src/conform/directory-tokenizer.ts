/** Replays vectors of tokenizers that are read from directories. Each line of a JSONL file is one vector. */
import { getOrThrow } from "../core/either.ts";
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from "../io/json.ts";
import { encodeWith, type Tokenizer } from "../io/tokenizer.ts";
import { compare, type Difference } from "./difference.ts";
import { judge, type Verdict } from "./verdict.ts";

/** Returns one verdict for each line of a file, named `source:line`. */
export function replayDirectoryTokenizer(
  source: string,
  cases: string,
  tokenizer: Tokenizer,
): readonly Verdict[] {
  const lines = cases.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line, index) => {
    const name = `${source}:${index + 1}`;
    return judge("tokenizers", name, () => lineDifference(tokenizer, name, line));
  });
}

/** Tokenizes the text of a line and compares all lists of numbers. @throws Error if the line is invalid */
function lineDifference(tokenizer: Tokenizer, name: string, line: string): Difference | undefined {
  const json = getOrThrow(parseJson(name, line));
  if (!isJsonObject(json)) throw new Error("expected an object");
  const { text, text_pair: pair = null, max_length: maxLength = null } = json;
  const { add_special_tokens: addSpecialTokens = true } = json;
  if (typeof text !== "string") throw new Error("text: expected a string");
  if (typeof pair !== "string" && pair !== null)
    throw new Error("text_pair: expected text or null");
  if (typeof maxLength !== "number" && maxLength !== null)
    throw new Error("max_length: expected a number or null");
  if (typeof addSpecialTokens !== "boolean")
    throw new Error("add_special_tokens: expected true or false");
  const options = { maxLength: maxLength ?? undefined, addSpecialTokens };
  // transformers treats a text with an empty second text as a pair only in a batch.
  const alone = encodeWith(tokenizer, text, pair === "" ? undefined : (pair ?? undefined), options);
  const inBatch = encodeWith(tokenizer, text, pair ?? undefined, options);
  return (
    lists(json, "", alone, true) ??
    lists(json, "batched_", inBatch, json.batched_input_ids !== undefined)
  );
}

function lists(
  json: JsonObject,
  prefix: string,
  got: ReturnType<typeof encodeWith>,
  isRequired: boolean,
): Difference | undefined {
  if (!isRequired) return undefined;
  const list = (key: string): readonly number[] => {
    const value = json[`${prefix}${key}`];
    if (!isNumberList(value)) throw new Error(`${prefix}${key}: expected a list of numbers`);
    return value;
  };
  const mask = json[`${prefix}attention_mask`];
  const ones = got.inputIds.map(() => 1);
  return (
    compare(`${prefix}input_ids`, list("input_ids"), got.inputIds) ??
    compare(`${prefix}token_type_ids`, list("token_type_ids"), got.tokenTypeIds) ??
    (mask === undefined
      ? undefined
      : compare(`${prefix}attention_mask`, list("attention_mask"), ones))
  );
}

function isNumberList(value: JsonValue | undefined): value is readonly number[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === "number");
}
