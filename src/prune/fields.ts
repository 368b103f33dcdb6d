/**
 * Readers for the fields of a configuration: each turns an unknown value into a typed one or says what
 * it expected.
 */
import {
  chain,
  type Either,
  fromNullable,
  fromPredicate,
  map,
  right,
  toError,
  tryCatch,
} from "fp-ts/Either";
import { pipe } from "fp-ts/function";
import { type HeadPattern, type Pattern, parsePattern } from "./pattern.ts";
import { compileNamePattern } from "./select.ts";

/** Why a value could not be read: what would have been right, and more about what was found. */
export interface Unreadable {
  readonly expected: string;
  readonly detail?: string;
}

/** Reads one field. */
export type FieldReader<T> = (value: unknown) => Either<Unreadable, T>;

function expecting(expected: string): () => Unreadable {
  return () => ({ expected });
}

const isNumber = (value: unknown): value is number => typeof value === "number";

/** A number within bounds; `below` is excluded. */
export function numberField({ min, below }: { min: number; below: number }): FieldReader<number> {
  return fromPredicate(
    (value: unknown): value is number => isNumber(value) && value >= min && value < below,
    expecting(`a number from ${min} to below ${below}`),
  );
}

/** An integer of at least `min`. */
export function integerField(min: number): FieldReader<number> {
  return fromPredicate(
    (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= min,
    expecting(`an integer of at least ${min}`),
  );
}

/** A non-negative number, also written as a string. */
export const coefficientField: FieldReader<number> = (value) =>
  pipe(
    typeof value === "string" && value.trim() !== "" ? Number(value) : value,
    fromPredicate(
      (number): number is number => isNumber(number) && Number.isFinite(number) && number >= 0,
      expecting("a number of at least 0"),
    ),
  );

/** One of the given strings. */
export function choiceField<const T extends string>(choices: readonly T[]): FieldReader<T> {
  return fromPredicate(
    (value: unknown): value is T => choices.some((choice) => choice === value),
    expecting(`one of ${choices.map((choice) => JSON.stringify(choice)).join(", ")}`),
  );
}

/** true or false. */
export const booleanField: FieldReader<boolean> = fromPredicate(
  (value: unknown): value is boolean => typeof value === "boolean",
  expecting("true or false"),
);

/** A field that may also be `null`. */
export function optionalField<T>(read: FieldReader<T>): FieldReader<T | null> {
  return (value) => (value === null ? right(null) : read(value));
}

/** A list of strings. */
export const stringsField: FieldReader<readonly string[]> = (value) =>
  pipe(
    value,
    fromPredicate(
      (list): list is readonly string[] =>
        Array.isArray(list) && list.every((entry) => typeof entry === "string"),
      expecting("a list of strings"),
    ),
    map((list) => [...list]),
  );

/** A list of regular expressions. */
export const expressionsField: FieldReader<readonly string[]> = (value) =>
  pipe(value, stringsField, chain(compilable));

function compilable(sources: readonly string[]): Either<Unreadable, readonly string[]> {
  return tryCatch(
    () => {
      for (const source of sources) compileNamePattern(source);
      return sources;
    },
    (error) => ({ expected: "a list of regular expressions", detail: toError(error).message }),
  );
}

function readPattern(text: string): Pattern | HeadPattern | undefined {
  return text === "mha" ? { kind: "heads" } : parsePattern(text);
}

/** A pattern's spelling. */
export const patternField: FieldReader<Pattern | HeadPattern> = (value) =>
  pipe(
    typeof value === "string" ? readPattern(value) : undefined,
    fromNullable<Unreadable>({
      expected: 'a pattern such as "4x1", "1xchannel", "channelx1" or "2:4"',
    }),
  );
