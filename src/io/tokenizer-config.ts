/**
 * Reads and writes the tokenizer_config.json of a Hugging Face directory, which defines how the tokenizer normalises
 * text.
 */

import { describe } from "../core/checks.ts";
import { type Either, type Problem, unlessProblems } from "../core/either.ts";
import { encoderNames, statedEncoderType } from "../core/encoder-types.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "./json.ts";
import type { SlowTokenizer } from "./tokenizer.ts";
import { SPECIAL_TOKENS } from "./vocabulary.ts";
import type { WordOptions } from "./words.ts";

/** The contents of special_tokens_map.json. Other special tokens are not supported. */
export const SPECIAL_TOKENS_MAP: Readonly<Record<string, string>> = {
  cls_token: SPECIAL_TOKENS.classification,
  mask_token: SPECIAL_TOKENS.mask,
  pad_token: SPECIAL_TOKENS.padding,
  sep_token: SPECIAL_TOKENS.separator,
  unk_token: SPECIAL_TOKENS.unknown,
};

const TOKENIZER_CLASSES: readonly string[] = [
  "BertTokenizer",
  "BertTokenizerFast",
  "DistilBertTokenizer",
  "DistilBertTokenizerFast",
  "ElectraTokenizer",
  "ElectraTokenizerFast",
];

/** Parses a tokenizer_config.json into options for normalisation. An absent key sets no option. */
export function parseTokenizerConfig(
  source: string,
  config: JsonObject,
): Either<readonly Problem[], Partial<WordOptions>> {
  const problems: Problem[] = [];
  const refuse = (key: string, expected: string): void => {
    problems.push({ path: `${source}: ${key}`, expected, got: describe(config[key]) });
  };
  const flag = (key: string): boolean | undefined => {
    const value = config[key] ?? undefined;
    if (value === undefined || typeof value === "boolean") return value;
    refuse(key, "true, false or null");
    return undefined;
  };
  const kind = config.tokenizer_class ?? "BertTokenizer";
  if (typeof kind !== "string" || !TOKENIZER_CLASSES.includes(kind))
    refuse("tokenizer_class", `one of ${TOKENIZER_CLASSES.join(", ")}`);
  if (flag("do_basic_tokenize") === false) refuse("do_basic_tokenize", "true");
  const kept = config.never_split ?? [];
  if (!Array.isArray(kept) || kept.length > 0) refuse("never_split", "null or an empty list");
  for (const [key, token] of Object.entries(SPECIAL_TOKENS_MAP)) {
    const given = config[key] ?? token;
    if (tokenContent(given) !== token) refuse(key, token);
  }
  const options = {
    lowercase: flag("do_lower_case"),
    stripAccents: flag("strip_accents"),
    splitChinese: flag("tokenize_chinese_chars"),
  };
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return unlessProblems(problems, Object.fromEntries(given));
}

/** Returns the text of a special token, which is stored as a string or as an object with more properties. */
function tokenContent(value: JsonValue): JsonValue | undefined {
  return isJsonObject(value) ? value.content : value;
}

/** Returns the contents of the tokenizer_config.json that transformers would write for a model. */
export function formatTokenizerConfig(
  { options }: SlowTokenizer,
  modelConfig: JsonObject,
): JsonObject {
  const { tokenizer } = encoderNames(statedEncoderType(modelConfig) ?? "bert");
  return {
    ...SPECIAL_TOKENS_MAP,
    clean_up_tokenization_spaces: true,
    do_basic_tokenize: true,
    do_lower_case: options.lowercase,
    model_max_length: modelConfig.max_position_embeddings ?? 512,
    never_split: null,
    strip_accents: options.stripAccents === options.lowercase ? null : options.stripAccents,
    tokenize_chinese_chars: options.splitChinese,
    // A RoBERTa model may have a WordPiece vocabulary, which its own tokenizer does not read.
    tokenizer_class: TOKENIZER_CLASSES.includes(tokenizer) ? tokenizer : "BertTokenizer",
  };
}
