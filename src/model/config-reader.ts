/** Reads the keys of a parsed config.json. */
import { describe } from "../core/checks.ts";
import type { Problem } from "../core/either.ts";
import { ACTIVATION_NAMES, activationNamed, type HiddenActivation } from "./activations.ts";
import type { EncoderFields } from "./encoder-fields.ts";

/** The maximum number of layers. It limits the list of modules, which is built before any weight is read. */
const MOST_LAYERS = 10_000;

/**
 * Reads keys of a parsed JSON object and collects all problems. A missing or null value is replaced by the fallback.
 */
export class ConfigReader {
  readonly source: Readonly<Record<string, unknown>>;
  readonly problems: Problem[] = [];

  constructor(source: Readonly<Record<string, unknown>>) {
    this.source = source;
  }

  /** Adds a problem that quotes the value of the key. */
  reject(key: string, expected: string): void {
    this.problems.push({ path: key, expected, got: describe(this.source[key]) });
  }

  #number(
    key: string,
    fallback: number,
    expected: string,
    accepts: (value: number) => boolean,
  ): number {
    const value = this.source[key] ?? fallback;
    if (typeof value === "number" && accepts(value)) return value;
    this.reject(key, expected);
    return fallback;
  }

  /** Reads a positive integer up to `most`. */
  count(key: string, fallback: number, most: number = Number.MAX_SAFE_INTEGER): number {
    const limit = most < Number.MAX_SAFE_INTEGER ? ` up to ${most}` : "";
    const accepts = (n: number): boolean => Number.isSafeInteger(n) && n >= 1 && n <= most;
    return this.#number(key, fallback, `a positive integer${limit}`, accepts);
  }

  /** Reads a number of layers. */
  layers(key: string, fallback: number): number {
    return this.count(key, fallback, MOST_LAYERS);
  }

  /** Reads a width that the attention heads divide. */
  width(key: string, fallback: number, heads: number): number {
    const width = this.count(key, fallback);
    if (width % heads !== 0) this.reject(key, `a multiple of the ${heads} heads`);
    return width;
  }

  /** Reads the padding id. If it is null, as transformers allows, no row of the word embeddings is for padding. */
  padding(
    key: string,
    vocabularySize: number,
    fallback: number,
  ): Pick<EncoderFields, "padTokenId" | "paddingRow"> {
    const accepts = (n: number): boolean => Number.isInteger(n) && n >= 0 && n < vocabularySize;
    const expected = `an integer from 0 to ${vocabularySize - 1}`;
    if (this.source[key] === null) return { padTokenId: 0, paddingRow: null };
    const padTokenId = this.#number(key, fallback, expected, accepts);
    return { padTokenId, paddingRow: padTokenId };
  }

  /** Reads a number in [0, 1). */
  rate(key: string, fallback: number): number {
    return this.#number(key, fallback, "a number in [0, 1)", (n) => n >= 0 && n < 1);
  }

  /** Reads a finite number above 0. */
  positive(key: string, fallback: number): number {
    return this.#number(key, fallback, "a number above 0", (n) => n > 0 && n < Infinity);
  }

  /** Reads true or false. */
  flag(key: string, fallback: boolean): boolean {
    const value = this.source[key] ?? fallback;
    if (typeof value === "boolean") return value;
    this.reject(key, "true or false");
    return fallback;
  }

  /** Reads the name of an activation. The default is `gelu`. */
  activation(key: string): HiddenActivation {
    const found = activationNamed(this.source[key] ?? "gelu");
    if (found === undefined) this.reject(key, ACTIVATION_NAMES);
    return found ?? "gelu";
  }

  /** Reports a problem unless the value is `value`, null or missing. */
  requireConstant(key: string, value: string | boolean): void {
    if ((this.source[key] ?? value) !== value) this.reject(key, describe(value));
  }
}
