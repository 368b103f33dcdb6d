/** Reads the files of a fast tokenizer. */
import { describe } from "../../core/checks.ts";
import { type Either, isLeft, left, type Problem, right } from "../../core/either.ts";
import { type JsonObject, parseJsonObject } from "../json.ts";
import { addedVocabulary, addTokens, NOTHING_ADDED } from "./added-vocabulary.ts";
import { setNormalizer, setPreTokenizer, tokensToAdd } from "./fast-settings.ts";
import type { Pipeline } from "./fast-tokenizer.ts";
import type { Others } from "./other-parsers.ts";
import { withoutLastBytes } from "./parse-pre-tokenizer.ts";
import type { SettingsFiles } from "./stated-tokens.ts";
import { tokenizerClassOf } from "./tokenizer-class.ts";
import { parseTokenizerJson } from "./tokenizer-json.ts";
import type { Side } from "./truncation.ts";

/** A fast tokenizer's steps, its vocabulary, and the length to which transformers truncates by default. */
export interface ReadFast {
  readonly pipeline: Pipeline;
  readonly tokens: readonly string[];
  readonly ids: ReadonlyMap<string, number>;
  readonly maxLength: number | undefined;
}

/** Reads tokenizer.json and the other files in its directory, as transformers does. `others` is the code of other parts. */
export function readFast(
  files: ReadonlyMap<string, Uint8Array>,
  others: Others,
): Either<readonly Problem[], ReadFast> {
  const source = "tokenizer.json";
  const problems: Problem[] = [];
  const parsed = parseTokenizerJson(source, files.get(source) ?? new Uint8Array(), others);
  const settings: SettingsFiles = {
    config: readJson(files, "tokenizer_config.json", problems),
    specialTokens: readJson(files, "special_tokens_map.json", problems),
    addedTokens: readJson(files, "added_tokens.json", problems),
    model: readJson(files, "config.json", problems),
  };
  if (isLeft(parsed)) return left([...parsed.left, ...problems]);
  const json = parsed.right;
  const tokenizerClass = tokenizerClassOf(settings, problems);
  const { config = {} } = settings;
  checkFlags(config, problems);
  checkLengths(config, problems);
  const modelIds = json.model.vocabulary;
  const own = json.addedTokens.map(({ token }) => token);
  let state = addTokens(NOTHING_ADDED, own, modelIds);
  let { normalizer, preTokenizer } = json;
  if (tokenizerClass !== undefined) {
    state = addTokens(state, tokensToAdd(settings, json, tokenizerClass, problems), modelIds);
    // Added tokens are normalized as tokenizer.json specifies, because the class changes only the tokenizer's own
    // normalizer.
    normalizer = setNormalizer(normalizer, settings, tokenizerClass);
    preTokenizer = setPreTokenizer(preTokenizer, settings);
  }
  const added = addedVocabulary(`${source}: added_tokens`, state, json.normalizer, {
    splitsSpecial: config.split_special_tokens === true,
    isWord: others?.isWord,
  });
  if (isLeft(added)) problems.push(...added.left);
  if (problems.length > 0 || isLeft(added)) return left(problems);
  const unmapped = preTokenizer === undefined ? undefined : withoutLastBytes(preTokenizer);
  const ids = new Map([...modelIds, ...added.right.ids]);
  return right({
    pipeline: {
      normalizer,
      preTokenizer: unmapped?.preTokenizer ?? preTokenizer,
      writeBytes: unmapped?.writeBytes,
      model: json.model,
      templates: json.templates,
      decoder: json.decoder,
      added: added.right,
      truncationSide:
        (config.truncation_side as Side | undefined) ?? json.truncationSide ?? "right",
      memo: new Map(),
    },
    tokens: tokensById(ids),
    ids,
    maxLength: maxLengthOf(config),
  });
}

function readJson(
  files: ReadonlyMap<string, Uint8Array>,
  name: string,
  problems: Problem[],
): JsonObject | undefined {
  const bytes = files.get(name);
  if (bytes === undefined) return undefined;
  const json = parseJsonObject(name, bytes);
  if (!isLeft(json)) return json.right;
  problems.push(...json.left);
  return undefined;
}

const FLAGS: readonly string[] = [
  "do_lower_case",
  "strip_accents",
  "tokenize_chinese_chars",
  "split_special_tokens",
  "add_prefix_space",
];

function checkFlags(config: JsonObject, problems: Problem[]): void {
  for (const key of FLAGS) {
    const value = config[key] ?? null;
    if (value === null || typeof value === "boolean") continue;
    const path = `tokenizer_config.json: ${key}`;
    problems.push({ path, expected: "true, false or null", got: describe(value) });
  }
  // transformers would read such a file in place of tokenizer.json.
  const names = config.fast_tokenizer_files ?? [];
  const other = [names].flat().find((name) => /^tokenizer\..+\.json$/.test(String(name)));
  if (other === undefined) return;
  const path = "tokenizer_config.json: fast_tokenizer_files";
  problems.push({ path, expected: "no file for one version", got: describe(other) });
}

/** Refuses an invalid truncation side or length. */
export function checkLengths(config: JsonObject, problems: Problem[]): void {
  const refuse = (key: string, expected: string): void => {
    problems.push({ path: `tokenizer_config.json: ${key}`, expected, got: describe(config[key]) });
  };
  const side = config.truncation_side ?? "right";
  if (side !== "left" && side !== "right") refuse("truncation_side", "left or right");
  const length = config.model_max_length ?? config.max_len ?? 1;
  if (typeof length !== "number" || !(length >= 1)) refuse("model_max_length", "a number from 1");
}

/** Returns the maximum length of a tokenizer, or undefined for the very large number that means no limit. */
export function maxLengthOf(config: JsonObject): number | undefined {
  const length = config.model_max_length ?? config.max_len;
  return typeof length === "number" && length <= Number.MAX_SAFE_INTEGER
    ? Math.floor(length)
    : undefined;
}

/** Returns the tokens, indexed by id. An id without a token has an empty text. */
function tokensById(ids: ReadonlyMap<string, number>): readonly string[] {
  let last = -1;
  for (const id of ids.values()) last = Math.max(last, id);
  const tokens = new Array<string>(last + 1).fill("");
  for (const [token, id] of ids) tokens[id] = token;
  return tokens;
}
