/**
 * Parses JSON strictly: duplicate names and deep nesting are refused. For a duplicate name, `JSON.parse` keeps the last
 * value, but other parsers keep the first.
 */

import {
  type Either,
  isLeft,
  type Problem,
  refuse,
  refuseValue,
  right,
  tryCatch,
} from "../core/either.ts";
import { looksLike } from "./content.ts";
import { decodeUtf8 } from "./text.ts";

/** Any JSON value. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;

/** A JSON object. */
export interface JsonObject {
  readonly [name: string]: JsonValue;
}

/** The maximum accepted nesting depth of objects and arrays. */
export const JSON_MAX_DEPTH = 64;

/** Parses JSON text. `source` identifies the text in problems. */
export function parseJson(source: string, text: string): Either<readonly Problem[], JsonValue> {
  const depth = nestingDepth(text);
  if (depth > JSON_MAX_DEPTH)
    return refuse(source, `JSON nested at most ${JSON_MAX_DEPTH} deep`, `${depth}`);
  const parsed = tryCatch(
    () => JSON.parse(text) as JsonValue,
    (error) => [{ path: source, expected: "JSON", got: (error as SyntaxError).message }],
  );
  if (isLeft(parsed)) return parsed;
  const duplicate = firstDuplicateName(text);
  return duplicate === undefined
    ? parsed
    : refuse(source, "every name once in its object", `${duplicate} twice`);
}

function parseObject(
  source: string,
  bytes: Uint8Array,
  standardText: (text: string) => string,
): Either<readonly Problem[], JsonObject> {
  const other = looksLike(bytes, "JSON", "plain text");
  if (other !== undefined) return refuse(source, "JSON", other);
  const text = decodeUtf8(source, bytes);
  if (isLeft(text)) return text;
  const json = parseJson(source, standardText(text.right));
  if (isLeft(json)) return json;
  return isJsonObject(json.right)
    ? right(json.right)
    : refuseValue(source, "a JSON object", json.right);
}

/** Parses UTF-8 bytes that must contain one JSON object. */
export function parseJsonObject(
  source: string,
  bytes: Uint8Array,
): Either<readonly Problem[], JsonObject> {
  return parseObject(source, bytes, (text) => text);
}

/**
 * Parses one JSON object as Python's `json` writes it: `Infinity`, `-Infinity` and `NaN` are numbers. NaN becomes `null`.
 */
export function parsePythonJsonObject(
  source: string,
  bytes: Uint8Array,
): Either<readonly Problem[], JsonObject> {
  return parseObject(source, bytes, (text) =>
    /Infinity|NaN/.test(text) ? withStandardNumbers(text) : text,
  );
}

/** Replaces Python's `Infinity` (with 1e999, which parses as Infinity) and `NaN` (with null) outside strings. */
function withStandardNumbers(text: string): string {
  const replaced = (part: string): string =>
    part.replace(/\bInfinity\b/g, "1e999").replace(/\bNaN\b/g, "null");
  let copied = 0;
  let standard = "";
  for (const { kind, start, end } of structuralTokens(text)) {
    if (kind !== "string") continue;
    standard += replaced(text.slice(copied, start)) + text.slice(start, end);
    copied = end;
  }
  return standard + replaced(text.slice(copied));
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The range of a string, including its quotes, or of a bracket or brace. */
interface StructuralToken {
  readonly start: number;
  readonly end: number;
  readonly kind: "open" | "close" | "string";
}

/**
 * Finds the structural tokens in JSON text in linear time. A regular expression would take quadratic time for
 * unterminated strings.
 */
function* structuralTokens(text: string): Iterable<StructuralToken> {
  for (let start = 0; start < text.length; start++) {
    const character = text[start];
    if (character === '"') {
      const end = endOfString(text, start);
      yield { start, end, kind: "string" };
      start = end - 1;
    } else if (character === "{" || character === "[") {
      yield { start, end: start + 1, kind: "open" };
    } else if (character === "}" || character === "]") {
      yield { start, end: start + 1, kind: "close" };
    }
  }
}

/** Returns the index after the string that begins at `start`; the text's length if the string is unterminated. */
function endOfString(text: string, start: number): number {
  let end = start + 1;
  while (end < text.length && text[end] !== '"') end += text[end] === "\\" ? 2 : 1;
  return Math.min(end + 1, text.length);
}

function nestingDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (const { kind } of structuralTokens(text)) {
    if (kind === "open") deepest = Math.max(deepest, ++depth);
    else if (kind === "close") depth--;
  }
  return deepest;
}

const COLON_NEXT = /[ \t\n\r]*:/y;

/** Returns the first name that occurs twice in an object, including its quotes. The text must be valid JSON. */
function firstDuplicateName(text: string): string | undefined {
  const open: Set<string>[] = [];
  for (const { kind, start, end } of structuralTokens(text)) {
    if (kind === "open") open.push(new Set());
    else if (kind === "close") open.pop();
    else {
      COLON_NEXT.lastIndex = end;
      if (!COLON_NEXT.test(text)) continue;
      const token = text.slice(start, end);
      const name = JSON.parse(token) as string;
      const names = open.at(-1);
      if (names?.has(name)) return token;
      names?.add(name);
    }
  }
  return undefined;
}
