/**
 * Applies the changes that transformers 4.57 makes to a fast tokenizer after it has read tokenizer.json: it adds tokens
 * from the other files, and the tokenizer's class overrides some options.
 */
import type { Problem } from "../../core/either.ts";
import type { AddedToken } from "./added-tokens.ts";
import type { Normalizer } from "./normalizer.ts";
import type { PreTokenizer } from "./pre-tokenizer.ts";
import {
  completed,
  contentOf,
  plainToken,
  readStatedTokens,
  type SettingsFiles,
} from "./stated-tokens.ts";
import type { FlaggedToken, TokenizerClass } from "./tokenizer-class.ts";
import type { TokenizerJson } from "./tokenizer-json.ts";

/** Returns the normalizer after the class has set its options. */
export function setNormalizer(
  normalizer: Normalizer | undefined,
  { config }: SettingsFiles,
  { setsNormalizer }: TokenizerClass,
): Normalizer | undefined {
  if (!setsNormalizer || normalizer?.type !== "BertNormalizer") return normalizer;
  const lowercase = config?.do_lower_case !== false;
  const accents = config?.strip_accents;
  return {
    ...normalizer,
    lowercase,
    stripAccents: typeof accents === "boolean" ? accents : lowercase,
    handleChineseChars: config?.tokenize_chinese_chars !== false,
  };
}

/** Returns the pre-tokenizer after `add_prefix_space` is set. It only applies if ByteLevel is not in a sequence. */
export function setPreTokenizer(
  preTokenizer: PreTokenizer | undefined,
  { config }: SettingsFiles,
): PreTokenizer | undefined {
  const prefix =
    config?.add_prefix_space ??
    (config !== undefined && "add_prefix_space" in config ? null : false);
  if (preTokenizer?.type !== "ByteLevel" || typeof prefix !== "boolean") return preTokenizer;
  return { ...preTokenizer, addPrefixSpace: prefix };
}

/** Returns the tokens that transformers adds after those of tokenizer.json, in one call. */
export function tokensToAdd(
  files: SettingsFiles,
  json: TokenizerJson,
  tokenizerClass: TokenizerClass,
  problems: Problem[],
): readonly AddedToken[] {
  const { decoder, special } = readStatedTokens(files, json.addedTokens, tokenizerClass, problems);
  const added = [...decoder].sort(([a], [b]) => a - b).map(([, token]) => token);
  const names = new Set(special.map(contentOf));
  const known = new Set(
    [...json.addedTokens.map(({ token }) => token), ...added].map(({ content }) => content),
  );
  const missing = special.flatMap((value): readonly FlaggedToken[] => {
    if (typeof value === "string") return known.has(value) ? [] : [plainToken(value, true)];
    return added.some((token) => isSame(token, completed(value))) ? [] : [value];
  });
  return [...added, ...missing].map((token) =>
    completed(token, token.special || names.has(token.content)),
  );
}

function isSame(a: AddedToken, b: AddedToken): boolean {
  return (Object.keys(a) as (keyof AddedToken)[]).every((key) => a[key] === b[key]);
}
