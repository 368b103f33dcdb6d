/** Reads the members of a JSON object and collects problems. */
import { describe } from "../../core/checks.ts";
import type { Problem } from "../../core/either.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../json.ts";

/** An object with its path in problems. */
export interface Fields {
  readonly path: string;
  readonly json: JsonObject;
  readonly problems: Problem[];
}

/** Adds a problem. */
export function complainInto(fields: Fields, key: string, expected: string): void {
  const got = key in fields.json ? describe(fields.json[key]) : "none";
  fields.problems.push({ path: `${fields.path}.${key}`, expected, got });
}

function readField<T extends JsonValue>(
  fields: Fields,
  key: string,
  expected: string,
  isKind: (value: JsonValue) => value is T,
  absent: T | undefined,
  fallback: T,
): T {
  const value = fields.json[key];
  if (value === undefined && absent !== undefined) return absent;
  if (value !== undefined && isKind(value)) return value;
  complainInto(fields, key, expected);
  return fallback;
}

/** Reads a string. Without a default, the member is required. */
export function readText(fields: Fields, key: string, absent?: string): string {
  const isKind = (value: JsonValue): value is string => typeof value === "string";
  return readField(fields, key, "a string", isKind, absent, "");
}

export function readFlag(fields: Fields, key: string, absent?: boolean): boolean {
  const isKind = (value: JsonValue): value is boolean => typeof value === "boolean";
  return readField(fields, key, "true or false", isKind, absent, false);
}

/** Reads a count or an id. */
export function readCount(fields: Fields, key: string, absent?: number): number {
  return readField(fields, key, "an integer from 0", isCount, absent, 0);
}

export function isCount(value: JsonValue | undefined): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value < 2 ** 31;
}

/** Ids are limited, because tokens are listed by id. */
const MAX_TOKEN_ID = 2 ** 24;

export function isTokenId(value: JsonValue | undefined): value is number {
  return isCount(value) && value < MAX_TOKEN_ID;
}

/** Reads a string that may be null. */
export function readTextOrNull(fields: Fields, key: string): string | null {
  return (fields.json[key] ?? null) === null ? null : readText(fields, key);
}

/** Reads a string that must be one of some words. */
export function readChoice<T extends string>(
  fields: Fields,
  key: string,
  choices: readonly T[],
  absent?: T,
): T {
  const value = fields.json[key];
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  if (value !== undefined || absent === undefined)
    complainInto(fields, key, `one of ${choices.join(", ")}`);
  return absent ?? (choices[0] as T);
}

/** Reads a list of objects. */
export function readObjects(fields: Fields, key: string): readonly Fields[] {
  return readList(fields, key).flatMap((value, index) =>
    fieldsOf(`${fields.path}.${key}[${index}]`, value, fields.problems),
  );
}

export function readList(fields: Fields, key: string): readonly JsonValue[] {
  const value = fields.json[key];
  if (Array.isArray(value)) return value as readonly JsonValue[];
  complainInto(fields, key, "a list");
  return [];
}

/** Returns the fields of a value that is an object. For any other value, adds a problem and returns an empty list. */
export function fieldsOf(
  path: string,
  value: JsonValue | undefined,
  problems: Problem[],
): readonly Fields[] {
  if (isJsonObject(value)) return [{ path, json: value, problems }];
  problems.push({ path, expected: "an object", got: describe(value) });
  return [];
}

/** Returns the fields of a member that is an object, or nothing for null or an absent member. */
export function readObject(fields: Fields, key: string): readonly Fields[] {
  const value = fields.json[key] ?? null;
  return value === null ? [] : fieldsOf(`${fields.path}.${key}`, value, fields.problems);
}
