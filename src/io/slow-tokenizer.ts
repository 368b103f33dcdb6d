/** Reads the files of a slow tokenizer: vocab.txt, and the other files that transformers reads with it. */
import { describe } from "../core/checks.ts";
import { type Either, isLeft, left, type Problem, right } from "../core/either.ts";
import { looksLike } from "./content.ts";

import { isJsonObject, type JsonObject, type JsonValue, parseJsonObject } from "./json.ts";
import { NO_ADDED_TOKENS, type SlowAddedTokens } from "./slow-added-tokens.ts";
import { decodeUtf8 } from "./text.ts";
import type { AddedToken } from "./tokenizer/added-tokens.ts";
import { isTokenId } from "./tokenizer/json-fields.ts";
import { checkLengths, maxLengthOf } from "./tokenizer/read-fast.ts";
import {
  completed,
  contentOf,
  plainToken,
  readStatedTokens,
  type StatedTokens,
  tokenOf,
} from "./tokenizer/stated-tokens.ts";
import { BERT_CLASS } from "./tokenizer/tokenizer-class.ts";
import type { StatedToken } from "./tokenizer/tokenizer-json.ts";
import { type SlowTokenizer, tokenizerOf } from "./tokenizer.ts";
import { parseTokenizerConfig } from "./tokenizer-config.ts";
import {
  parseVocabulary,
  SPECIAL_TOKENS,
  specialIds,
  type WordPieceVocabulary,
} from "./vocabulary.ts";

/** The files that are copied when a tokenizer with added tokens is saved. */
const COPIED = [
  "vocab.txt",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
];

/** Reads a slow tokenizer. Each problem names its file. */
export function readSlowTokenizer(
  files: ReadonlyMap<string, Uint8Array>,
): Either<readonly Problem[], SlowTokenizer> {
  const problems: Problem[] = [];
  const json = (name: string): JsonObject | undefined => {
    const bytes = files.get(name);
    const parsed = bytes === undefined ? undefined : parseJsonObject(name, bytes);
    if (parsed === undefined) return undefined;
    if (!isLeft(parsed)) return parsed.right;
    problems.push(...parsed.left);
    return undefined;
  };
  const vocabulary = readVocabulary(files, problems);
  const config = json("tokenizer_config.json") ?? {};
  // As in transformers, an added_tokens_decoder in tokenizer_config.json replaces the other files.
  const legacy = (name: string): JsonObject | undefined =>
    config.added_tokens_decoder === undefined ? json(name) : undefined;
  const settings = {
    config,
    specialTokens: legacy("special_tokens_map.json"),
    addedTokens: legacy("added_tokens.json"),
    model: undefined,
  };
  const options = parseTokenizerConfig("tokenizer_config.json", {
    ...config,
    ...settings.specialTokens,
  });
  if (isLeft(options)) problems.push(...options.left);
  checkLengths(config, problems);
  if ((config.split_special_tokens ?? false) !== false) {
    const path = "tokenizer_config.json: split_special_tokens";
    problems.push({ path, expected: "false", got: describe(config.split_special_tokens) });
  }
  const jsonTokens = addedInJson(legacy("tokenizer.json"));
  const stated = readStatedTokens(settings, jsonTokens, BERT_CLASS, problems);
  if (vocabulary === undefined || isLeft(options) || problems.length > 0) return left(problems);
  const added = addedTokens(vocabulary, stated);
  const copied = COPIED.flatMap((name) => {
    const bytes = files.get(name);
    return bytes === undefined ? [] : [[name, bytes] as const];
  });
  return right(
    tokenizerOf(withAdded(vocabulary, added), options.right, {
      added,
      truncationSide: config.truncation_side === "left" ? "left" : "right",
      maxLength: maxLengthOf(config),
      files: added === NO_ADDED_TOKENS ? undefined : new Map(copied),
    }),
  );
}

function readVocabulary(
  files: ReadonlyMap<string, Uint8Array>,
  problems: Problem[],
): WordPieceVocabulary | undefined {
  const source = "vocab.txt";
  const bytes = files.get(source);
  // The first line can be any token, such as a bracket, which looks like JSON.
  const other = bytes === undefined ? "none" : looksLike(bytes, "plain text", "JSON");
  if (bytes === undefined || other !== undefined) {
    const expected = bytes === undefined ? "this file" : "a vocabulary";
    problems.push({ path: source, expected, got: other ?? "" });
    return undefined;
  }
  const text = decodeUtf8(source, bytes);
  const parsed = isLeft(text) ? text : parseVocabulary(source, text.right);
  if (!isLeft(parsed)) return parsed.right;
  problems.push(...parsed.left);
  return undefined;
}

/** Returns the added tokens of a tokenizer.json, if there is one. Errors in other parts of the file are ignored. */
function addedInJson(json: JsonObject | undefined): readonly StatedToken[] {
  const list = json?.added_tokens;
  if (!Array.isArray(list)) return [];
  return (list as readonly JsonValue[]).flatMap((value) => {
    if (!isJsonObject(value) || !isTokenId(value.id)) return [];
    const token = tokenOf({ path: "", json: value, problems: [] }, false);
    return [{ id: value.id, token }];
  });
}

/** Puts all tokens together, unless they are only BERT's own special tokens without flags. */
function addedTokens(
  { ids: ownIds }: WordPieceVocabulary,
  { decoder, special }: StatedTokens,
): SlowAddedTokens {
  const own: readonly string[] = Object.values(SPECIAL_TOKENS);
  const isOwn = ({ content, lstrip, rstrip, singleWord }: AddedToken): boolean =>
    own.includes(content) && !lstrip && !rstrip && !singleWord;
  const specialTokens = special.map((value) =>
    typeof value === "string" ? plainToken(value, true) : { ...completed(value), special: true },
  );
  if (
    specialTokens.every(isOwn) &&
    [...decoder].every(([id, token]) => isOwn(token) && ownIds.get(token.content) === id)
  )
    return NO_ADDED_TOKENS;
  const ids = new Map<string, number>();
  const byId = new Map(decoder);
  for (const [id, { content }] of decoder) ids.set(content, id);
  let nextId = new Set([...ownIds.keys(), ...ids.keys()]).size;
  for (const [index, token] of specialTokens.entries()) {
    const { content } = token;
    if (typeof special[index] === "string" && ids.has(content)) continue;
    const id = ids.get(content) ?? ownIds.get(content) ?? nextId++;
    ids.set(content, id);
    byId.set(id, token);
  }
  const tokens = new Map([...byId.values()].map((token) => [token.content, token]));
  return { ids, tokens, special: new Set(special.map(contentOf)) };
}

/** Adds tokens to the vocabulary. As in transformers, the id of an added token replaces the id in vocab.txt. */
function withAdded(vocabulary: WordPieceVocabulary, added: SlowAddedTokens): WordPieceVocabulary {
  if (added === NO_ADDED_TOKENS) return vocabulary;
  const tokens = [...vocabulary.tokens];
  for (const [content, id] of added.ids) {
    while (tokens.length < id) tokens.push("");
    if (tokens[id] === undefined || tokens[id] === "") tokens[id] = content;
  }
  const ids = new Map(
    [...vocabulary.ids].map(([token, id]) => [token, added.ids.get(token) ?? id] as const),
  );
  return { tokens, ids, special: specialIds(ids) };
}
