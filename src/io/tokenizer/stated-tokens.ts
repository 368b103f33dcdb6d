/**
 * Reads the tokens that transformers' files state beside a vocabulary or a tokenizer.json. Without
 * `added_tokens_decoder` in tokenizer_config.json, transformers 4.57 reads the files of older versions.
 */
import { describe } from "../../core/checks.ts";
import type { Problem } from "../../core/either.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import type { AddedToken } from "./added-tokens.ts";
import { type Fields, isTokenId, readFlag, readText } from "./json-fields.ts";
import type { FlaggedToken, SpecialValue, TokenizerClass } from "./tokenizer-class.ts";
import type { StatedToken } from "./tokenizer-json.ts";

/** The other files of a tokenizer. A missing file is undefined. */
export interface SettingsFiles {
  readonly config: JsonObject | undefined;
  readonly specialTokens: JsonObject | undefined;
  readonly addedTokens: JsonObject | undefined;
  /** The model's config.json, which may name the class. */
  readonly model: JsonObject | undefined;
}

/** The tokens that the files state. */
export interface StatedTokens {
  /** The added tokens by their ids. */
  readonly decoder: ReadonlyMap<number, AddedToken>;
  /** The special tokens with a role and the additional ones, in the order in which transformers adds them. */
  readonly special: readonly SpecialValue[];
}

/** Reads the tokens beside those of tokenizer.json, if there is one. */
export function readStatedTokens(
  files: SettingsFiles,
  jsonTokens: readonly StatedToken[],
  tokenizerClass: TokenizerClass,
  problems: Problem[],
): StatedTokens {
  const { config = {} } = files;
  const isModern = config.added_tokens_decoder !== undefined;
  const decoder = new Map<number, AddedToken>();
  if (isModern) readDecoderInto(decoder, config.added_tokens_decoder, problems);
  else {
    addLegacyInto(decoder, files, problems);
    // Tokens of tokenizer.json replace those of added_tokens.json with their ids.
    for (const { id, token } of jsonTokens) decoder.set(id, token);
  }
  const named = isModern ? [...decoder.values()] : jsonTokens.map(({ token }) => token);
  const byContent = new Map(named.map((token) => [token.content, token]));
  const values = isModern ? new Map(Object.entries(config)) : legacyValues(files);
  return {
    decoder,
    special: specialValues(values, tokenizerClass, byContent, problems, !isModern),
  };
}

const SPECIAL_KEYS: readonly string[] = [
  "bos_token",
  "eos_token",
  "unk_token",
  "sep_token",
  "pad_token",
  "cls_token",
  "mask_token",
];

const ADDITIONAL = "additional_special_tokens";

/** Reads a token with optional flags. */
export function tokenOf(fields: Fields, isSpecial: boolean): AddedToken {
  return completed(flaggedTokenOf(fields, isSpecial));
}

function flaggedTokenOf(fields: Fields, isSpecial: boolean): FlaggedToken {
  return {
    content: readText(fields, "content"),
    singleWord: readFlag(fields, "single_word", false),
    lstrip: readFlag(fields, "lstrip", false),
    rstrip: readFlag(fields, "rstrip", false),
    normalized: "normalized" in fields.json ? readFlag(fields, "normalized") : undefined,
    special: isSpecial || readFlag(fields, "special", false),
  };
}

/** Decides the flags of a token. */
export function completed(token: FlaggedToken, special: boolean = token.special): AddedToken {
  return { ...token, special, normalized: token.normalized ?? !special };
}

/** Puts special_tokens_map.json over tokenizer_config.json. Additional special tokens of both files are kept. */
function legacyValues({ config, specialTokens }: SettingsFiles): ReadonlyMap<string, JsonValue> {
  const values = new Map<string, JsonValue>(Object.entries(config ?? {}));
  for (const [key, value] of Object.entries(specialTokens ?? {})) {
    const earlier = key === ADDITIONAL ? values.get(key) : undefined;
    const isJoined = Array.isArray(earlier) && Array.isArray(value);
    values.set(key, isJoined ? [...earlier, ...value] : value);
  }
  return values;
}

/** Adds the tokens of added_tokens.json. A token is special if the other files name it as text. */
function addLegacyInto(
  decoder: Map<number, AddedToken>,
  files: SettingsFiles,
  problems: Problem[],
): void {
  const values = legacyValues(files);
  const named = [...SPECIAL_KEYS, ADDITIONAL].flatMap((key) =>
    [values.get(key) ?? null].flat().map((value) =>
      // Tokens with flags count only in special_tokens_map.json, because transformers has not yet read the others.
      isJsonObject(value) && files.specialTokens?.[key] !== undefined ? value.content : value,
    ),
  );
  for (const [content, id] of Object.entries(files.addedTokens ?? {})) {
    if (isTokenId(id)) decoder.set(id, plainToken(content, named.includes(content)));
    else
      problems.push({
        path: `added_tokens.json: ${content}`,
        expected: "an id",
        got: describe(id),
      });
  }
}

/** Makes a token without flags. */
export function plainToken(content: string, special: boolean): AddedToken {
  return {
    content,
    singleWord: false,
    lstrip: false,
    rstrip: false,
    normalized: !special,
    special,
  };
}

export function contentOf(value: SpecialValue): string {
  return typeof value === "string" ? value : value.content;
}

function readDecoderInto(
  decoder: Map<number, AddedToken>,
  value: JsonValue | undefined,
  problems: Problem[],
): void {
  const path = "tokenizer_config.json: added_tokens_decoder";
  if (!isJsonObject(value)) {
    problems.push({ path, expected: "an object", got: describe(value) });
    return;
  }
  for (const [key, token] of Object.entries(value)) {
    const id = Number(key);
    if (!isTokenId(id) || !isJsonObject(token))
      problems.push({
        path: `${path}.${key}`,
        expected: "an id with a token",
        got: describe(token),
      });
    else decoder.set(id, tokenOf({ path: `${path}.${key}`, json: token, problems }, false));
  }
}

/** Returns the special tokens in the order of transformers. A text that an earlier key has is left out. */
function specialValues(
  values: ReadonlyMap<string, JsonValue>,
  { tokens, mask }: TokenizerClass,
  byContent: ReadonlyMap<string, AddedToken>,
  problems: Problem[],
  isLegacy: boolean,
): readonly SpecialValue[] {
  const found: SpecialValue[] = [];
  const refuse = (key: string, expected: string, value: JsonValue): readonly [] => {
    problems.push({ path: `tokenizer_config.json: ${key}`, expected, got: describe(value) });
    return [];
  };
  const read = (key: string, value: JsonValue): readonly SpecialValue[] => {
    if (typeof value === "string") return [value];
    if (!isJsonObject(value) || typeof value.content !== "string")
      return refuse(key, "a token", value);
    const path = `tokenizer_config.json: ${key}`;
    return [flaggedTokenOf({ path, json: value, problems }, isLegacy)];
  };
  const seen = new Set<string>();
  const add = (values: readonly SpecialValue[]): void => {
    // As in transformers, a list may have a token twice, with different flags.
    const fresh = values.filter((value) => !["", ...seen].includes(contentOf(value)));
    for (const value of fresh) seen.add(contentOf(value));
    found.push(...fresh);
  };
  for (const key of SPECIAL_KEYS) {
    const given = values.has(key) ? (values.get(key) ?? null) : undefined;
    if (given === null) continue;
    const chosen = given === undefined ? [tokens[key] ?? ""] : read(key, given);
    for (const value of chosen) {
      const known = given === undefined ? undefined : byContent.get(contentOf(value));
      const isMaskText = key === "mask_token" && typeof value === "string" && mask !== undefined;
      add([known ?? (isMaskText ? mask(value) : value)]);
    }
  }
  for (const key of [ADDITIONAL, "extra_special_tokens"]) {
    const list = values.get(key) ?? [];
    if (Array.isArray(list))
      add((list as readonly JsonValue[]).flatMap((value) => read(key, value)));
    else if (isJsonObject(list) && key !== ADDITIONAL)
      add(Object.values(list).flatMap((value) => read(key, value)));
    else refuse(key, "a list of tokens", list);
  }
  return found;
}
