/**
 * Applies the changes that transformers 4.57 makes to a fast tokenizer after it has read tokenizer.json: it adds tokens
 * from the other files, and the tokenizer's class overrides some options.
 */
import { describe } from "../../core/checks.ts";
import type { Problem } from "../../core/either.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import type { AddedToken } from "./added-tokens.ts";
import { once } from "./characters.ts";
import { type Fields, isTokenId, readFlag, readText } from "./json-fields.ts";
import type { Normalizer } from "./normalizer.ts";
import type { PreTokenizer } from "./pre-tokenizer.ts";
import type { TokenizerJson } from "./tokenizer-json.ts";

/** The other files of a tokenizer. A missing file is undefined. */
export interface SettingsFiles {
  readonly config: JsonObject | undefined;
  readonly specialTokens: JsonObject | undefined;
  readonly addedTokens: JsonObject | undefined;
  /** The model's config.json, which may name the class. */
  readonly model: JsonObject | undefined;
}

/** A special token: text, or a token with flags. */
type SpecialValue = string | AddedToken;

const SPECIAL_KEYS: readonly string[] = [
  "bos_token",
  "eos_token",
  "unk_token",
  "sep_token",
  "pad_token",
  "cls_token",
  "mask_token",
];

type Defaults = Readonly<Record<string, SpecialValue>>;

const BERT_TOKENS: Defaults = {
  unk_token: "[UNK]",
  sep_token: "[SEP]",
  pad_token: "[PAD]",
  cls_token: "[CLS]",
  mask_token: "[MASK]",
};

function maskToken(content: string, normalized: boolean, special = false): AddedToken {
  return { content, singleWord: false, lstrip: true, rstrip: false, normalized, special };
}

const ROBERTA_TOKENS: Defaults = {
  bos_token: "<s>",
  eos_token: "</s>",
  unk_token: "<unk>",
  sep_token: "</s>",
  pad_token: "<pad>",
  cls_token: "<s>",
};

/** A class of transformers' fast tokenizers. */
interface TokenizerClass {
  /** Whether the class overrides the options of `BertNormalizer`. */
  readonly setsNormalizer: boolean;
  readonly tokens: Defaults;
  /** Makes a token with flags from a mask token that is stored as text. */
  readonly mask: ((content: string) => AddedToken) | undefined;
}

const BERT_CLASS: TokenizerClass = { setsNormalizer: true, tokens: BERT_TOKENS, mask: undefined };

const PLAIN_CLASS: TokenizerClass = { setsNormalizer: false, tokens: {}, mask: undefined };

/** The classes by their names without `Fast`. */
const classes: () => Readonly<Record<string, TokenizerClass>> = /* @__PURE__ */ once(() => ({
  BertTokenizer: BERT_CLASS,
  DistilBertTokenizer: BERT_CLASS,
  ElectraTokenizer: BERT_CLASS,
  MobileBertTokenizer: BERT_CLASS,
  ConvBertTokenizer: BERT_CLASS,
  SqueezeBertTokenizer: BERT_CLASS,
  RobertaTokenizer: {
    setsNormalizer: false,
    tokens: { ...ROBERTA_TOKENS, mask_token: "<mask>" },
    mask: (content) => maskToken(content, false),
  },
  XLMRobertaTokenizer: {
    setsNormalizer: false,
    tokens: { ...ROBERTA_TOKENS, mask_token: "<mask>" },
    mask: (content) => maskToken(content, true),
  },
  AlbertTokenizer: {
    setsNormalizer: false,
    tokens: {
      ...BERT_TOKENS,
      bos_token: "[CLS]",
      eos_token: "[SEP]",
      unk_token: "<unk>",
      pad_token: "<pad>",
    },
    mask: (content) => maskToken(content, false),
  },
  DebertaTokenizer: {
    setsNormalizer: false,
    tokens: { ...BERT_TOKENS, bos_token: "[CLS]", eos_token: "[SEP]" },
    mask: undefined,
  },
  DebertaV2Tokenizer: {
    setsNormalizer: false,
    tokens: { ...BERT_TOKENS, bos_token: "[CLS]", eos_token: "[SEP]" },
    mask: undefined,
  },
  PreTrainedTokenizer: PLAIN_CLASS,
  TokenizersBackend: PLAIN_CLASS,
}));

/** The classes of model types, for directories whose files do not name the class. */
const CLASS_OF_MODEL: Readonly<Record<string, string>> = {
  bert: "BertTokenizer",
  distilbert: "DistilBertTokenizer",
  electra: "ElectraTokenizer",
  mobilebert: "MobileBertTokenizer",
  convbert: "ConvBertTokenizer",
  squeezebert: "SqueezeBertTokenizer",
  roberta: "RobertaTokenizer",
  "xlm-roberta": "XLMRobertaTokenizer",
  albert: "AlbertTokenizer",
  deberta: "DebertaTokenizer",
  "deberta-v2": "DebertaV2Tokenizer",
};

/** Returns the class, or undefined if no file names it: then tokenizer.json is used as it is. */
export function tokenizerClassOf(
  { config, model }: SettingsFiles,
  problems: Problem[],
): TokenizerClass | undefined {
  const modelType = model?.model_type;
  const inferred = typeof modelType === "string" ? CLASS_OF_MODEL[modelType] : undefined;
  const given = config?.tokenizer_class ?? model?.tokenizer_class ?? inferred;
  if (given === undefined || given === null) return config === undefined ? undefined : PLAIN_CLASS;
  const name = typeof given === "string" ? given.replace(/Fast$/, "") : "";
  const found = Object.hasOwn(classes(), name) ? classes()[name] : undefined;
  if (found !== undefined) return found;
  const path = "tokenizer_config.json: tokenizer_class";
  const expected = `one of ${Object.keys(classes()).join(", ")}, with or without Fast`;
  problems.push({ path, expected, got: describe(given) });
  return PLAIN_CLASS;
}

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

/** Reads a token with optional flags. */
export function tokenOf(fields: Fields, isSpecial: boolean): AddedToken {
  const special = isSpecial || readFlag(fields, "special", false);
  return {
    content: readText(fields, "content"),
    singleWord: readFlag(fields, "single_word", false),
    lstrip: readFlag(fields, "lstrip", false),
    rstrip: readFlag(fields, "rstrip", false),
    normalized: readFlag(fields, "normalized", !special),
    special,
  };
}

/** Returns the tokens that transformers adds after those of tokenizer.json, in one call. */
export function tokensToAdd(
  files: SettingsFiles,
  json: TokenizerJson,
  tokenizerClass: TokenizerClass,
  problems: Problem[],
): readonly AddedToken[] {
  const { config = {}, specialTokens, addedTokens } = files;
  const decoder = new Map<number, AddedToken>();
  const values = new Map<string, JsonValue>(Object.entries(config));
  const isModern = config.added_tokens_decoder !== undefined;
  if (isModern) readDecoderInto(decoder, config.added_tokens_decoder, problems);
  else for (const [key, value] of Object.entries(specialTokens ?? {})) values.set(key, value);
  const byContent = new Map([...decoder.values()].map((token) => [token.content, token]));
  const special = specialValues(values, tokenizerClass, byContent, problems, !isModern);
  if (!isModern) {
    for (const [content, id] of Object.entries(addedTokens ?? {})) {
      if (!isTokenId(id))
        problems.push({
          path: `added_tokens.json: ${content}`,
          expected: "an id",
          got: describe(id),
        });
      else
        decoder.set(
          id,
          plainToken(
            content,
            special.some((one) => contentOf(one) === content),
          ),
        );
    }
  }
  // Without added_tokens_decoder, tokens of tokenizer.json replace those of added_tokens.json with their ids.
  if (!isModern) for (const { id, token } of json.addedTokens) decoder.set(id, token);
  const added = [...decoder].sort(([a], [b]) => a - b).map(([, token]) => token);
  const names = new Set(special.map(contentOf));
  const known = new Set(
    [...json.addedTokens.map(({ token }) => token), ...added].map(({ content }) => content),
  );
  const missing = special.flatMap((value): readonly AddedToken[] => {
    if (typeof value === "string") return known.has(value) ? [] : [plainToken(value, true)];
    return added.some((token) => isSame(token, value)) ? [] : [value];
  });
  return [...added, ...missing].map((token) => ({
    ...token,
    special: token.special || names.has(token.content),
  }));
}

function isSame(a: AddedToken, b: AddedToken): boolean {
  return (Object.keys(a) as (keyof AddedToken)[]).every((key) => a[key] === b[key]);
}

function plainToken(content: string, special: boolean): AddedToken {
  return {
    content,
    singleWord: false,
    lstrip: false,
    rstrip: false,
    normalized: !special,
    special,
  };
}

function contentOf(value: SpecialValue): string {
  return typeof value === "string" ? value : value.content;
}

export function readDecoderInto(
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

/** Returns the special tokens without duplicate texts, in the same order as transformers. */
function specialValues(
  values: ReadonlyMap<string, JsonValue>,
  { tokens, mask }: TokenizerClass,
  byContent: ReadonlyMap<string, AddedToken>,
  problems: Problem[],
  isLegacy: boolean,
): readonly SpecialValue[] {
  const found: SpecialValue[] = [];
  const read = (key: string, value: JsonValue): readonly SpecialValue[] => {
    if (typeof value === "string") return [value];
    if (isJsonObject(value) && typeof value.content === "string")
      return [tokenOf({ path: `tokenizer_config.json: ${key}`, json: value, problems }, isLegacy)];
    problems.push({
      path: `tokenizer_config.json: ${key}`,
      expected: "a token",
      got: describe(value),
    });
    return [];
  };
  for (const key of SPECIAL_KEYS) {
    const given = values.has(key) ? (values.get(key) ?? null) : undefined;
    if (given === null) continue;
    const chosen = given === undefined ? [tokens[key] ?? ""] : read(key, given);
    for (const value of chosen) {
      const known = given === undefined ? undefined : byContent.get(contentOf(value));
      const isMaskText = key === "mask_token" && typeof value === "string" && mask !== undefined;
      const token = known ?? (isMaskText ? mask(value) : value);
      if (contentOf(token) !== "") found.push(token);
    }
  }
  for (const key of ["additional_special_tokens", "extra_special_tokens"]) {
    const list = values.get(key) ?? [];
    const entries = Array.isArray(list) ? (list as readonly JsonValue[]) : Object.values(list);
    for (const value of entries) found.push(...read(key, value));
  }
  const seen = new Set<string>();
  return found.filter((value) => {
    const isNew = !seen.has(contentOf(value));
    seen.add(contentOf(value));
    return isNew;
  });
}
