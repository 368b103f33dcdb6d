import { describe } from "../core/checks.ts";
import type { Problem } from "../core/either.ts";

/** Reads keys of a configuration and collects all problems. */
export interface ConfigReader {
  readonly source: Readonly<Record<string, unknown>>;
  readonly problems: readonly Problem[];
  /** Adds a problem with the value of the key. */
  reject(key: string, expected: string): void;
  /** A positive integer, at most `most`. */
  count(key: string, fallback: number, most?: number): number;
  /** An integer in [0, limit). */
  idBelow(key: string, limit: number, fallback: number): number;
  /** A number in [0, 1). */
  rate(key: string, fallback: number): number;
  /** A finite number above 0. */
  positive(key: string, fallback: number): number;
  /** `gelu` (default) or `relu`. */
  activation(key: string): "gelu" | "relu";
  /** Rejects any value but `value`; absent and null are accepted. */
  requireConstant(key: string, value: string | boolean): void;
}

/** A reader of one parsed JSON object. Absent and null values take the fallback. */
export function createConfigReader(source: Readonly<Record<string, unknown>>): ConfigReader {
  const problems: Problem[] = [];
  const reject = (key: string, expected: string): void => {
    problems.push({ path: key, expected, got: describe(source[key]) });
  };
  const number = (
    key: string,
    fallback: number,
    expected: string,
    accepts: (value: number) => boolean,
  ): number => {
    const value = source[key] ?? fallback;
    if (typeof value === "number" && accepts(value)) return value;
    reject(key, expected);
    return fallback;
  };
  return {
    source,
    problems,
    reject,
    count: (key, fallback, most = Number.MAX_SAFE_INTEGER) =>
      number(
        key,
        fallback,
        `a positive integer${most < Number.MAX_SAFE_INTEGER ? ` up to ${most}` : ""}`,
        (n) => Number.isSafeInteger(n) && n >= 1 && n <= most,
      ),
    idBelow: (key, limit, fallback) =>
      number(
        key,
        fallback,
        `an integer from 0 to ${limit - 1}`,
        (n) => Number.isInteger(n) && n >= 0 && n < limit,
      ),
    rate: (key, fallback) => number(key, fallback, "a number in [0, 1)", (n) => n >= 0 && n < 1),
    positive: (key, fallback) =>
      number(key, fallback, "a number above 0", (n) => n > 0 && n < Infinity),
    activation: (key) => {
      const value = source[key] ?? "gelu";
      if (value === "gelu" || value === "relu") return value;
      reject(key, "gelu or relu");
      return "gelu";
    },
    requireConstant: (key, value) => {
      if ((source[key] ?? value) !== value) reject(key, describe(value));
    },
  };
}
