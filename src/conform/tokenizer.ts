/**
 * Replays tokenizer vectors: each line of a case file is
 * `{text, text_pair, max_length, input_ids, token_type_ids}` and counts once; ids must be exact.
 */
import { formatProblem, isLeft } from "../core/either.ts";
import { isJsonObject, type JsonValue, parseJson } from "../io/json.ts";
import { encode, type Tokenizer } from "../io/tokenizer.ts";
import { type Difference, exactDifference } from "./difference.ts";
import { judge, type Verdict } from "./verdict.ts";

/** A tokenizer case file: its name for verdicts, its text, and the tokenizer of its vocabulary. */
export interface TokenizerVectors {
  readonly source: string;
  readonly cases: string;
  readonly tokenizer: Tokenizer;
}

/** One verdict a line, named `source:line`; `only` selects by that name. */
export function* replayTokenizer(
  { source, cases, tokenizer }: TokenizerVectors,
  only?: RegExp,
): Iterable<Verdict> {
  const lines = cases.split("\n");
  if (lines.at(-1) === "") lines.pop();
  for (const [index, line] of lines.entries()) {
    const name = `${source}:${index + 1}`;
    if (only === undefined || name.search(only) >= 0) {
      yield judge("tokenizer", name, () => replayCase(tokenizer, name, line));
    }
  }
}

function replayCase(tokenizer: Tokenizer, name: string, line: string): Difference | undefined {
  const json = parseJson(name, line);
  if (isLeft(json)) throw new Error(json.left.map(formatProblem).join("; "));
  const vector = readCase(json.right);
  const { text, textPair, maxLength, inputIds, tokenTypeIds } = vector;
  const got = encode(tokenizer, text, textPair, maxLength);
  return (
    exactDifference("input_ids", inputIds, got.inputIds) ??
    exactDifference("token_type_ids", tokenTypeIds, got.tokenTypeIds)
  );
}

interface TokenizerCase {
  readonly text: string;
  readonly textPair: string | undefined;
  readonly maxLength: number | undefined;
  readonly inputIds: readonly number[];
  readonly tokenTypeIds: readonly number[];
}

/** @throws Error saying what is wrong with the case */
function readCase(json: JsonValue): TokenizerCase {
  if (!isJsonObject(json)) throw new Error("expected an object");
  const { text, text_pair: textPair, max_length: maxLength } = json;
  if (typeof text !== "string") throw new Error("text: expected a string");
  if (typeof textPair !== "string" && textPair !== null)
    throw new Error("text_pair: expected text or null");
  if (typeof maxLength !== "number" && maxLength !== null) {
    throw new Error("max_length: expected a number or null");
  }
  const { input_ids: inputIds, token_type_ids: tokenTypeIds } = json;
  if (!isNumberList(inputIds)) throw new Error("input_ids: expected a list of numbers");
  if (!isNumberList(tokenTypeIds)) throw new Error("token_type_ids: expected a list of numbers");
  return {
    text,
    textPair: textPair ?? undefined,
    maxLength: maxLength ?? undefined,
    inputIds,
    tokenTypeIds,
  };
}

function isNumberList(value: JsonValue | undefined): value is readonly number[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === "number");
}
