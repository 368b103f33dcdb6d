/**
 * Strict JSON: what `JSON.parse` accepts, minus duplicate names and deep nesting. `JSON.parse` silently
 * keeps the last of two equal names, which lets one file mean different things to different readers.
 */
import { describe } from "../core/checks.ts";
import type { Either, Problem } from "../core/either.ts";
import { decodeUtf8 } from "./utf8.ts";

/** Any value JSON can hold. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;

/** A JSON object. */
export interface JsonObject {
  readonly [name: string]: JsonValue;
}

/** Deepest nesting of objects and arrays accepted. */
export const JSON_MAX_DEPTH = 64;

/** Parses JSON text; `source` names it in problems. */
export function parseJson(source: string, text: string): Either<readonly Problem[], JsonValue> {
  const fail = (expected: string, got: string): Either<readonly Problem[], never> => ({
    _tag: "Left",
    left: [{ path: source, expected, got }],
  });
  const depth = nestingDepth(text);
  if (depth > JSON_MAX_DEPTH) return fail(`JSON nested at most ${JSON_MAX_DEPTH} deep`, `${depth}`);
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch (error) {
    return fail("JSON", error instanceof Error ? error.message : String(error));
  }
  const duplicate = firstDuplicateName(text);
  if (duplicate !== undefined) return fail("every name once in its object", `${duplicate} twice`);
  return { _tag: "Right", right: value };
}

/** Parses bytes that must hold one JSON object in UTF-8. */
export function parseJsonObject(
  source: string,
  bytes: Uint8Array,
): Either<readonly Problem[], JsonObject> {
  const text = decodeUtf8(source, bytes);
  if (text._tag === "Left") return text;
  const json = parseJson(source, text.right);
  if (json._tag === "Left") return json;
  if (isJsonObject(json.right)) return { _tag: "Right", right: json.right };
  const problem = { path: source, expected: "a JSON object", got: describe(json.right) };
  return { _tag: "Left", left: [problem] };
}

/** Whether a JSON value is an object. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A string, or one bracket or colon: the tokens that matter for nesting and names. */
const STRUCTURE = /"(?:[^"\\]|\\.)*"|[{}[\]]/gs;

function nestingDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (const [token] of text.matchAll(STRUCTURE)) {
    if (token === "{" || token === "[") deepest = Math.max(deepest, ++depth);
    else if (token === "}" || token === "]") depth--;
  }
  return deepest;
}

const COLON_NEXT = /[ \t\n\r]*:/y;

/** The first name, as written, that occurs twice in its object; the text must be valid JSON. */
function firstDuplicateName(text: string): string | undefined {
  const open: Set<string>[] = [];
  for (const match of text.matchAll(STRUCTURE)) {
    const [token] = match;
    if (token === "{" || token === "[") open.push(new Set());
    else if (token === "}" || token === "]") open.pop();
    else {
      COLON_NEXT.lastIndex = match.index + token.length;
      if (!COLON_NEXT.test(text)) continue;
      const name = JSON.parse(token) as string;
      const names = open.at(-1);
      if (names?.has(name)) return token;
      names?.add(name);
    }
  }
  return undefined;
}
