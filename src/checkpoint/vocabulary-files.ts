/** Renumbers the ids in the files of a model directory: those of the tokenizer, and the configurations. */
import { describe } from "../core/checks.ts";
import { type Either, isLeft, type Problem, right, unlessProblems } from "../core/either.ts";
import { formatPythonJson } from "../io/hugging-face-writer.ts";
import { isJsonObject, type JsonObject, type JsonValue, parseJsonObject } from "../io/json.ts";
import { decodeUtf8, encodeUtf8, splitLines } from "../io/text.ts";
import { formatVocabulary } from "../io/vocabulary.ts";

/** How ids change. */
export interface Renumbering {
  /** The old tokens, by id. */
  readonly tokens: readonly string[];
  /** The new id of each old one, or -1. */
  readonly newIds: Int32Array;
  /** The number of new ids. */
  readonly size: number;
  /** Whether a merge of BPE stays. */
  readonly keepsMerge: (left: string, right: string) => boolean;
}

/** A file while its ids change. */
interface Renumbered extends Renumbering {
  readonly name: string;
  readonly problems: Problem[];
}

/** Returns the new text of a file, or undefined if nothing in it changes. */
type Renumber = (file: Renumbered, bytes: Uint8Array) => string | undefined;

/** The files with ids. */
const RENUMBER: Readonly<Record<string, Renumber>> = {
  "config.json": json((file, config) => ({
    ...withTokenIds(file, config),
    vocab_size: file.size,
  })),
  "generation_config.json": json(withTokenIds),
  "tokenizer_config.json": json((file, config) => {
    const { added_tokens_decoder: added, ...rest } = withTokenIds(file, config);
    if (!isJsonObject(added)) return { ...config, ...rest };
    const entries = Object.entries(added).map(([id, token]) => [
      String(newId(file, `added_tokens_decoder.${id}`, Number(id))),
      token,
    ]);
    return { ...rest, added_tokens_decoder: Object.fromEntries(entries) };
  }),
  "added_tokens.json": json((file, added) =>
    Object.fromEntries(Object.entries(added).map(([token, id]) => [token, newId(file, token, id)])),
  ),
  "tokenizer.json": parsed((file, tokenizer) => formatOrdered(tokenizerJson(file, tokenizer))),
  "vocab.json": parsed((file, vocabulary) => formatOrdered(renumberedVocabulary(file, vocabulary))),
  "vocab.txt": lines((file, all) => keptLines(file, all)),
  "merges.txt": lines((file, all) => all.filter((line) => keepsLine(file, line))),
};

/** The names of the files that {@link renumberFiles} reads. */
export const RENUMBERED_FILES: readonly string[] = Object.keys(RENUMBER);

/** Matches the names of vocabulary files that this module cannot write, such as those of SentencePiece. */
const OTHER_VOCABULARY = /\.(model|spm)$|^(bpe\.codes|dict\.txt)$/;

/** Returns a problem for each vocabulary file that this module cannot write. */
export function otherVocabularies(names: Iterable<string>): readonly Problem[] {
  return [...names]
    .filter((name) => OTHER_VOCABULARY.test(name))
    .map((path) => ({ path, expected: "no vocabulary in this form", got: "a file" }));
}

/** Renumbers the ids in a directory's files. Returns those that change. */
export function renumberFiles(
  files: ReadonlyMap<string, Uint8Array>,
  renumbering: Renumbering,
): Either<readonly Problem[], ReadonlyMap<string, Uint8Array>> {
  const problems: Problem[] = [];
  const changed = [...files].flatMap(([name, bytes]) => {
    const renumber = Object.hasOwn(RENUMBER, name) ? RENUMBER[name] : undefined;
    const text = renumber?.({ ...renumbering, name, problems }, bytes);
    return text === undefined ? [] : [[name, encodeUtf8(text)] as const];
  });
  return unlessProblems(problems, new Map(changed));
}

function parsed(change: (file: Renumbered, json: JsonObject) => string | undefined): Renumber {
  return (file, bytes) => {
    const read = parseJsonObject(file.name, bytes);
    if (!isLeft(read)) return change(file, read.right);
    file.problems.push(...read.left);
    return undefined;
  };
}

function json(change: (file: Renumbered, json: JsonObject) => JsonObject): Renumber {
  return parsed((file, before) => {
    const text = formatPythonJson(change(file, before));
    return text === formatPythonJson(before) ? undefined : text;
  });
}

function lines(change: (file: Renumbered, all: readonly string[]) => readonly string[]): Renumber {
  return (file, bytes) => {
    const read = decodeUtf8(file.name, bytes);
    if (!isLeft(read)) return formatVocabulary(change(file, splitLines(read.right)));
    file.problems.push(...read.left);
    return undefined;
  };
}

/** Returns the new id of a token that must stay. */
function newId(file: Renumbered, key: string, id: JsonValue | undefined): number {
  const found = typeof id === "number" ? (file.newIds[id] ?? -1) : -1;
  if (found < 0)
    file.problems.push({
      path: `${file.name}: ${key}`,
      expected: "the id of a token that stays",
      got: describe(id),
    });
  return found;
}

/** Renumbers the members whose names end with `token_id` or `token_ids`. Ids beyond the vocabulary stay. */
function withTokenIds({ newIds }: Renumbered, config: JsonObject): JsonObject {
  const change = (value: JsonValue): JsonValue => {
    if (Array.isArray(value)) return (value as readonly JsonValue[]).map(change);
    const id = typeof value === "number" ? (newIds[value] ?? -1) : -1;
    return id < 0 ? value : id;
  };
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [key, isTokenIdKey(key) ? change(value) : value]),
  );
}

function isTokenIdKey(key: string): boolean {
  return /(^|_)token_ids?$/.test(key);
}

/** Returns the ids that a directory's files state outside of vocabularies. Their tokens must stay. */
export function statedTokenIds(
  files: ReadonlyMap<string, Uint8Array>,
): Either<readonly Problem[], readonly number[]> {
  const problems: Problem[] = [];
  const read = (name: string): JsonObject => {
    const bytes = files.get(name);
    const parsed = bytes === undefined ? right({}) : parseJsonObject(name, bytes);
    if (!isLeft(parsed)) return parsed.right;
    problems.push(...parsed.left);
    return {};
  };
  const members = STATING_FILES.flatMap((name) => Object.entries(read(name)));
  const values = members.flatMap(([key, value]) => (isTokenIdKey(key) ? [value].flat() : []));
  const { padding } = read("tokenizer.json");
  if (isJsonObject(padding)) values.push(padding.pad_id ?? null);
  const isId = (id: unknown): id is number => Number.isInteger(id) && Number(id) >= 0;
  return unlessProblems(problems, values.filter(isId));
}

const STATING_FILES = ["config.json", "generation_config.json", "tokenizer_config.json"];

/** JSON in which a map is an object whose members have an order, also those named like numbers. */
type OrderedJson =
  | JsonValue
  | ReadonlyMap<string, number>
  | { readonly [name: string]: OrderedJson };

function formatOrdered(value: OrderedJson): string {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return JSON.stringify(value);
  const members = value instanceof Map ? [...value] : Object.entries(value);
  const written = members.map(
    ([name, member]) => `${JSON.stringify(name)}:${formatOrdered(member)}`,
  );
  return `{${written.join(",")}}`;
}

/** Keeps the tokens that stay, in the order of their new ids. */
function renumberedVocabulary(
  file: Renumbered,
  vocabulary: JsonObject,
): ReadonlyMap<string, number> {
  const kept: [string, number][] = [];
  for (const [token, id] of Object.entries(vocabulary)) {
    if (typeof id !== "number" || file.tokens[id] !== token) refuseToken(file, token, id);
    const renumbered = typeof id === "number" ? (file.newIds[id] ?? -1) : -1;
    if (renumbered >= 0) kept.push([token, renumbered]);
  }
  return new Map(kept.sort(([, a], [, b]) => a - b));
}

function refuseToken(file: Renumbered, token: string, id: JsonValue): void {
  const other = typeof id === "number" ? (file.tokens[id] ?? "") : "";
  file.problems.push({
    path: `${file.name}: ${JSON.stringify(token)}`,
    expected: "the id that the token has in the tokenizer's other files",
    got: describe(id) + (other === "" ? "" : `, the id of ${JSON.stringify(other)}`),
  });
}

function keptLines(file: Renumbered, lines: readonly string[]): readonly string[] {
  return lines.filter((token, id) => {
    if (file.tokens[id] !== token) refuseToken(file, token, id);
    return (file.newIds[id] ?? -1) >= 0;
  });
}

/** Whether a line of merges.txt stays: a comment, or a merge that stays. */
function keepsLine({ keepsMerge }: Renumbered, line: string): boolean {
  if (line.startsWith("#version")) return true;
  const [left = "", right = "", ...more] = line.split(" ");
  return more.length === 0 && keepsMerge(left, right);
}

/** Renumbers a tokenizer.json that was read before. */
function tokenizerJson(file: Renumbered, tokenizer: JsonObject): OrderedJson {
  const { model, added_tokens: added, post_processor: processor, padding } = tokenizer;
  const changed: Record<string, OrderedJson> = {};
  if (Array.isArray(added))
    changed.added_tokens = (added as readonly JsonValue[]).map((token) =>
      isJsonObject(token) ? { ...token, id: newId(file, "added_tokens", token.id) } : token,
    );
  if (isJsonObject(processor)) changed.post_processor = renumberedProcessor(file, processor);
  if (isJsonObject(padding))
    changed.padding = { ...padding, pad_id: newId(file, "padding.pad_id", padding.pad_id) };
  if (isJsonObject(model)) changed.model = renumberedModel(file, model);
  return { ...tokenizer, ...changed };
}

function renumberedModel(file: Renumbered, model: JsonObject): OrderedJson {
  const { vocab, merges } = model;
  const keeps = (merge: JsonValue): boolean => {
    if (typeof merge === "string") return keepsLine(file, merge);
    const [left, right] = Array.isArray(merge) ? (merge as readonly JsonValue[]) : [];
    return file.keepsMerge(String(left), String(right));
  };
  return {
    ...model,
    ...(isJsonObject(vocab) && { vocab: renumberedVocabulary(file, vocab) }),
    ...(Array.isArray(merges) && { merges: (merges as readonly JsonValue[]).filter(keeps) }),
  };
}

function renumberedProcessor(file: Renumbered, processor: JsonObject): JsonObject {
  const changed: Record<string, JsonValue> = {};
  for (const key of ["sep", "cls"]) {
    const value = processor[key];
    if (Array.isArray(value)) changed[key] = [value[0] as JsonValue, newId(file, key, value[1])];
  }
  const { special_tokens: special, processors } = processor;
  if (isJsonObject(special))
    changed.special_tokens = Object.fromEntries(
      Object.entries(special).map(([name, token]) => [name, renumberedTemplateToken(file, token)]),
    );
  if (Array.isArray(processors))
    changed.processors = (processors as readonly JsonValue[]).map((one) =>
      isJsonObject(one) ? renumberedProcessor(file, one) : one,
    );
  return { ...processor, ...changed };
}

function renumberedTemplateToken(file: Renumbered, token: JsonValue): JsonValue {
  if (!isJsonObject(token) || !Array.isArray(token.ids)) return token;
  const ids = (token.ids as readonly JsonValue[]).map((id) => newId(file, "special_tokens", id));
  return { ...token, ids };
}
