/** Reads the files of a slow tokenizer: vocab.txt, and the other files that transformers reads with it. */
import { describe } from "../core/checks.ts";
import { type Either, isLeft, left, type Problem, right } from "../core/either.ts";
import { looksLike } from "./content.ts";

import { isJsonObject, type JsonObject, type JsonValue, parseJsonObject } from "./json.ts";
import { NO_ADDED_TOKENS, type SlowAddedTokens } from "./slow-added-tokens.ts";
import { decodeUtf8 } from "./text.ts";
import type { AddedToken } from "./tokenizer/added-tokens.ts";
import { readDecoderInto, tokenOf } from "./tokenizer/fast-settings.ts";
import { isTokenId } from "./tokenizer/json-fields.ts";
import { checkLengths, maxLengthOf } from "./tokenizer/read-fast.ts";
import { type SlowTokenizer, tokenizerOf } from "./tokenizer.ts";
import { parseTokenizerConfig } from "./tokenizer-config.ts";
import { parseVocabulary, SPECIAL_TOKENS, type WordPieceVocabulary } from "./vocabulary.ts";

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
  const isModern = config.added_tokens_decoder !== undefined;
  // As in transformers, an added_tokens_decoder in tokenizer_config.json replaces the other files.
  const merged = isModern ? config : { ...config, ...json("special_tokens_map.json") };
  const options = parseTokenizerConfig("tokenizer_config.json", merged);
  if (isLeft(options)) problems.push(...options.left);
  checkLengths(config, problems);
  if ((config.split_special_tokens ?? false) !== false) {
    const path = "tokenizer_config.json: split_special_tokens";
    problems.push({ path, expected: "false", got: describe(config.split_special_tokens) });
  }
  const decoder = new Map<number, AddedToken>();
  if (isModern) readDecoderInto(decoder, config.added_tokens_decoder, problems);
  const additional = additionalTokens(merged, problems);
  if (!isModern) {
    const special = new Set([...Object.values(SPECIAL_TOKENS), ...additional.keys()]);
    addLegacyInto(decoder, json("added_tokens.json") ?? {}, special, problems);
    for (const token of addedInJson(json("tokenizer.json"))) decoder.set(...token);
  }
  if (vocabulary === undefined || isLeft(options) || problems.length > 0) return left(problems);
  const added = addedTokens(vocabulary, decoder, additional);
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

/** Reads additional_special_tokens: texts, or tokens with flags. */
function additionalTokens(
  config: JsonObject,
  problems: Problem[],
): ReadonlyMap<string, AddedToken> {
  const path = "tokenizer_config.json: additional_special_tokens";
  const list = config.additional_special_tokens ?? [];
  const tokens = new Map<string, AddedToken>();
  for (const value of Array.isArray(list) ? (list as readonly JsonValue[]) : [list]) {
    const json = typeof value === "string" ? { content: value, normalized: false } : value;
    if (!isJsonObject(json)) problems.push({ path, expected: "tokens", got: describe(value) });
    else {
      const token = tokenOf({ path, json, problems }, true);
      tokens.set(token.content, token);
    }
  }
  return tokens;
}

/** Adds the tokens of added_tokens.json, which has an id for each text. */
function addLegacyInto(
  decoder: Map<number, AddedToken>,
  json: JsonObject,
  specialContents: ReadonlySet<string>,
  problems: Problem[],
): void {
  for (const [content, id] of Object.entries(json)) {
    const special = specialContents.has(content);
    const flags = { singleWord: false, lstrip: false, rstrip: false };
    if (isTokenId(id)) decoder.set(id, { content, ...flags, normalized: !special, special });
    else
      problems.push({
        path: `added_tokens.json: ${content}`,
        expected: "an id",
        got: describe(id),
      });
  }
}

/** Returns the added tokens of a tokenizer.json, if there is one. Errors in other parts of the file are ignored. */
function addedInJson(json: JsonObject | undefined): readonly (readonly [number, AddedToken])[] {
  const list = json?.added_tokens;
  if (!Array.isArray(list)) return [];
  return (list as readonly JsonValue[]).flatMap((value) => {
    if (!isJsonObject(value) || !isTokenId(value.id)) return [];
    return [[value.id, tokenOf({ path: "", json: value, problems: [] }, false)] as const];
  });
}

/** Puts all tokens together, unless they are only BERT's own special tokens without flags. */
function addedTokens(
  vocabulary: WordPieceVocabulary,
  decoder: ReadonlyMap<number, AddedToken>,
  additional: ReadonlyMap<string, AddedToken>,
): SlowAddedTokens {
  const own: readonly string[] = Object.values(SPECIAL_TOKENS);
  const isOwn = (id: number, { content, lstrip, rstrip, singleWord }: AddedToken): boolean =>
    own.includes(content) &&
    vocabulary.ids.get(content) === id &&
    !lstrip &&
    !rstrip &&
    !singleWord;
  if (additional.size === 0 && [...decoder].every(([id, token]) => isOwn(id, token)))
    return NO_ADDED_TOKENS;
  const ids = new Map<string, number>();
  const tokens = new Map<string, AddedToken>();
  for (const [id, token] of decoder) {
    ids.set(token.content, id);
    tokens.set(token.content, token);
  }
  let nextId = new Set([...vocabulary.ids.keys(), ...ids.keys()]).size;
  const flags = {
    singleWord: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  };
  const plain = own.map((content): readonly [string, AddedToken] => [
    content,
    { content, ...flags },
  ]);
  for (const [content, token] of [...plain, ...additional]) {
    if (tokens.has(content)) continue;
    ids.set(content, vocabulary.ids.get(content) ?? nextId++);
    tokens.set(content, token);
  }
  return { ids, tokens, special: new Set([...own, ...additional.keys()]) };
}

/** Adds tokens to the vocabulary. */
function withAdded(vocabulary: WordPieceVocabulary, added: SlowAddedTokens): WordPieceVocabulary {
  if (added === NO_ADDED_TOKENS) return vocabulary;
  const tokens = [...vocabulary.tokens];
  for (const [content, id] of added.ids) {
    while (tokens.length < id) tokens.push("");
    if (tokens[id] === undefined || tokens[id] === "") tokens[id] = content;
  }
  return { ...vocabulary, tokens };
}
