/**
 * Readers for the fields of a configuration: each turns an unknown value into a typed one or says what
 * it expected.
 */
import { describe } from "../core/checks.ts";
import type { Problem } from "../core/either.ts";
import { type Pattern, parsePattern } from "./pattern.ts";
import { compileNamePattern } from "./select.ts";

/** A value that could not be read: what would have been right, and more about what was found. */
export class Unreadable {
  readonly expected: string;
  readonly detail: string | undefined;

  constructor(expected: string, detail?: string) {
    this.expected = expected;
    this.detail = detail;
  }

  /** The problem at a path of the configuration. */
  at(path: string, value: unknown): Problem {
    const got = describe(value);
    return {
      path,
      expected: this.expected,
      got: this.detail === undefined ? got : `${got} (${this.detail})`,
    };
  }
}

/** Reads one field. */
export type FieldReader<T> = (value: unknown) => T | Unreadable;

/** A number within bounds; `below` is excluded. */
export function numberField(bounds: { min: number; below: number }): FieldReader<number> {
  return (value) =>
    typeof value === "number" && value >= bounds.min && value < bounds.below
      ? value
      : new Unreadable(`a number from ${bounds.min} to below ${bounds.below}`);
}

/** An integer of at least `min`. */
export function integerField(min: number): FieldReader<number> {
  return (value) =>
    typeof value === "number" && Number.isSafeInteger(value) && value >= min
      ? value
      : new Unreadable(`an integer of at least ${min}`);
}

/** A non-negative number, also written as a string. */
export function coefficientField(value: unknown): number | Unreadable {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) && number >= 0
    ? number
    : new Unreadable("a number of at least 0");
}

/** One of the given strings. */
export function choiceField<const T extends string>(choices: readonly T[]): FieldReader<T> {
  return (value) =>
    choices.find((choice) => choice === value) ??
    new Unreadable(`one of ${choices.map((choice) => JSON.stringify(choice)).join(", ")}`);
}

/** true or false. */
export function booleanField(value: unknown): boolean | Unreadable {
  return typeof value === "boolean" ? value : new Unreadable("true or false");
}

/** A list of strings. */
export function stringsField(value: unknown): readonly string[] | Unreadable {
  return Array.isArray(value) && value.every((entry) => typeof entry === "string")
    ? [...value]
    : new Unreadable("a list of strings");
}

/** A list of regular expressions. */
export function expressionsField(value: unknown): readonly string[] | Unreadable {
  const sources = stringsField(value);
  if (sources instanceof Unreadable) return sources;
  for (const source of sources) {
    try {
      compileNamePattern(source);
    } catch (error) {
      return new Unreadable("a list of regular expressions", (error as Error).message);
    }
  }
  return sources;
}

/** A pattern's spelling. */
export function patternField(value: unknown): Pattern | Unreadable {
  return (
    (typeof value === "string" ? parsePattern(value) : undefined) ??
    new Unreadable('a pattern such as "4x1", "1xchannel", "channelx1" or "2:4"')
  );
}

/** Edit distance of two words (Levenshtein). */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (previous[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(replace, (previous[j] as number) + 1, (row[j - 1] as number) + 1));
    }
    previous = row;
  }
  return previous[b.length] as number;
}

/** The candidate most like `word`. */
export function nearestName(word: string, candidates: readonly string[]): string {
  const distances = candidates.map((candidate) => editDistance(word, candidate));
  return candidates[distances.indexOf(Math.min(...distances))] as string;
}
