/**
 * Readers for the fields of a configuration: each turns an unknown value into a typed one or says what
 * it expected.
 */

import { pipe } from "fp-ts/function";
import { isStrings } from "../core/checks.ts";
import { chain, type Either, left, map, right } from "../core/either.ts";
import { type HeadPattern, PATTERN_SPELLINGS, type Pattern, parsePattern } from "./pattern.ts";
import { expressionFault } from "./select.ts";

/** Why a value could not be read: what would have been right, and more about what was found. */
export interface Unreadable {
  readonly expected: string;
  readonly detail?: string | undefined;
}

/** Reads one field. */
export type FieldReader<T> = (value: unknown) => Either<Unreadable, T>;

/** Reads values of one kind. */
function fieldOf<T>(expected: string, accepts: (value: unknown) => value is T): FieldReader<T> {
  return (value) => (accepts(value) ? right(value) : left({ expected }));
}

/** A share, of which all is none. */
export const shareField: FieldReader<number> = fieldOf(
  "a number from 0 to below 1",
  (value): value is number => typeof value === "number" && value >= 0 && value < 1,
);

/** An integer of at least `min`. */
export function integerField(min: number): FieldReader<number> {
  return fieldOf(
    `an integer of at least ${min}`,
    (value): value is number => Number.isSafeInteger(value) && Number(value) >= min,
  );
}

const notNegative: FieldReader<number> = fieldOf(
  "a number of at least 0",
  (value): value is number => Number.isFinite(value) && Number(value) >= 0,
);

/** A non-negative number, also written as a string. */
export const coefficientField: FieldReader<number> = (value) =>
  notNegative(typeof value === "string" && value.trim() !== "" ? Number(value) : value);

/** One of the given strings. */
export function choiceField<const T extends string>(choices: readonly T[]): FieldReader<T> {
  return fieldOf(
    `one of ${choices.map((choice) => `"${choice}"`).join(", ")}`,
    (value): value is T => choices.some((choice) => choice === value),
  );
}

/** true or false. */
export const booleanField: FieldReader<boolean> = fieldOf(
  "true or false",
  (value): value is boolean => typeof value === "boolean",
);

/** A field that may also be `null`. */
export function optionalField<T>(read: FieldReader<T>): FieldReader<T | null> {
  return (value) => (value === null ? right(null) : read(value));
}

const strings: FieldReader<readonly string[]> = fieldOf("a list of strings", isStrings);

/** A list of strings, as a list of our own. */
export const stringsField: FieldReader<readonly string[]> = (value) =>
  pipe(
    strings(value),
    map((list) => [...list]),
  );

/** A list of regular expressions. */
export const expressionsField: FieldReader<readonly string[]> = (value) =>
  pipe(
    stringsField(value),
    chain((sources): Either<Unreadable, readonly string[]> => {
      const detail = sources.map(expressionFault).find((fault) => fault !== undefined);
      return detail === undefined
        ? right(sources)
        : left({ expected: "a list of regular expressions", detail });
    }),
  );

/** A pattern's spelling. */
export const patternField: FieldReader<Pattern | HeadPattern> = (value) => {
  if (value === "mha") return right({ kind: "heads" });
  const pattern = typeof value === "string" ? parsePattern(value) : undefined;
  return pattern ? right(pattern) : left({ expected: PATTERN_SPELLINGS });
};
