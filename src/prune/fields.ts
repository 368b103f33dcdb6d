/** Readers for the values in a pruning configuration. */
import { isStrings } from "../core/checks.ts";
import { type HeadPattern, PATTERN_SPELLINGS, type Pattern, parsePattern } from "./pattern.ts";

/** Reads and checks values of type `T`. */
export interface Field<T> {
  /** A description of valid values, for error messages. */
  readonly expected: string;
  /** Returns `undefined` for an invalid value. */
  readonly read: (value: unknown) => T | undefined;
}

function fieldOf<T>(expected: string, accepts: (value: unknown) => value is T): Field<T> {
  return { expected, read: (value) => (accepts(value) ? value : undefined) };
}

export const shareField: Field<number> = /* @__PURE__ */ fieldOf(
  "a number from 0 to below 1",
  (value): value is number => typeof value === "number" && value >= 0 && value < 1,
);

export function integerField(min: number): Field<number> {
  return fieldOf(
    `an integer of at least ${min}`,
    (value): value is number => Number.isSafeInteger(value) && Number(value) >= min,
  );
}

/** A non-negative number, or a string that contains one. */
export const coefficientField: Field<number> = {
  expected: "a number of at least 0",
  read(value) {
    const isText = typeof value === "string" && value.trim() !== "";
    const number = isText || typeof value === "number" ? Number(value) : NaN;
    return Number.isFinite(number) && number >= 0 ? number : undefined;
  },
};

export function choiceField<const T extends string>(choices: readonly T[]): Field<T> {
  return fieldOf(
    `one of ${choices.map((choice) => `"${choice}"`).join(", ")}`,
    (value): value is T => choices.some((choice) => choice === value),
  );
}

export const booleanField: Field<boolean> = /* @__PURE__ */ fieldOf(
  "true or false",
  (value): value is boolean => typeof value === "boolean",
);

/** A list of strings, which is copied. */
export const stringsField: Field<readonly string[]> = {
  expected: "a list of strings",
  read: (value) => (isStrings(value) ? [...value] : undefined),
};

export const regulariserField: Field<"group_lasso" | null> = {
  expected: 'one of "group_lasso"',
  read: (value) => (value === null || value === "group_lasso" ? value : undefined),
};

export const patternField: Field<Pattern | HeadPattern> = {
  expected: PATTERN_SPELLINGS,
  read(value) {
    if (value === "mha") return { kind: "heads" };
    return typeof value === "string" ? parsePattern(value) : undefined;
  },
};
