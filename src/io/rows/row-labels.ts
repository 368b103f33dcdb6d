/** Takes the labels of one row from its fields or its JSON values, as they are written. */
import { trimmed } from "./columns.ts";
import { jsonParts } from "./json-members.ts";
import { kindOfJson } from "./json-row.ts";
import { quoted } from "./problems.ts";

/** The single label of a row, or its list of labels, as written. */
export type WrittenLabels = string | readonly string[];

/** Why a row's labels cannot be read. */
interface LabelProblem {
  readonly expected: string;
  readonly got: string;
}

export function isProblem<T extends object>(read: WrittenLabels | T): read is T {
  return typeof read === "object" && "expected" in read;
}

const EMPTY: LabelProblem = { expected: "a label", got: "an empty field" };

/** Reads the labels in one field. With a separator there may be several or none. */
export function labelsInText(
  text: string,
  separator: string | undefined,
): WrittenLabels | LabelProblem {
  if (separator === undefined) {
    const label = trimmed(text);
    return label === "" ? EMPTY : label;
  }
  return text
    .split(separator)
    .map(trimmed)
    .filter((label) => label !== "");
}

/** Whether a text has half of a surrogate pair alone, which UTF-8 cannot encode. */
export function hasLoneSurrogate(text: string): boolean {
  return /\p{Surrogate}/u.test(text);
}

/**
 * Reads a JSON value as labels: a list, or a single one. Numbers are taken as written, because a number beyond 2^53 or
 * with zeros at its end is a different name.
 *
 * @param written returns the value as written
 */
export function labelsInJson(
  value: unknown,
  separator: string | undefined,
  written: () => string,
): WrittenLabels | LabelProblem {
  if (!Array.isArray(value)) {
    if (typeof value === "string" && separator !== undefined && !hasLoneSurrogate(value))
      return labelsInText(value, separator);
    const label = labelInJson(value, written);
    return typeof label === "string" && separator !== undefined ? [label] : label;
  }
  let parts: readonly { readonly text: string }[] | undefined;
  const labels: string[] = [];
  for (const [index, element] of value.entries()) {
    const label = labelInJson(element, () => {
      parts ??= jsonParts(written());
      return parts[index]?.text ?? "";
    });
    if (typeof label !== "string") return label;
    labels.push(label);
  }
  return labels;
}

function labelInJson(value: unknown, written: () => string): string | LabelProblem {
  if (typeof value === "number") return written();
  if (typeof value === "boolean") return String(value);
  if (typeof value !== "string") return { expected: "a label", got: kindOfJson(value) };
  if (hasLoneSurrogate(value)) return { expected: "a label in Unicode", got: "a lone surrogate" };
  const label = trimmed(value);
  return label === "" ? { expected: "a label", got: "an empty text" } : label;
}

/** Returns the labels whose indicators are 1, or the problem of the first that is neither 0 nor 1. */
export function readIndicators(
  indicators: readonly (readonly [name: string, index: number])[],
  read: (name: string, index: number) => unknown,
): readonly string[] | (LabelProblem & { readonly column: string }) {
  const labels: string[] = [];
  for (const [column, index] of indicators) {
    const value = read(column, index);
    const isSet = indicatorOf(value);
    if (isSet === undefined) return { column, ...indicatorProblem(value) };
    if (isSet) labels.push(column);
  }
  return labels;
}

/** Whether an indicator column says that a row has its label; undefined for other values. */
function indicatorOf(value: unknown): boolean | undefined {
  if (typeof value === "boolean") return value;
  if (typeof value !== "string" && typeof value !== "number") return undefined;
  const text = trimmed(String(value)).toLowerCase();
  if (text === "1" || text === "1.0" || text === "true") return true;
  return text === "0" || text === "0.0" || text === "false" ? false : undefined;
}

/** Returns the problem of an indicator that is neither 0 nor 1. */
function indicatorProblem(value: unknown): LabelProblem {
  const got = typeof value === "string" ? quoted(value) : kindOfJson(value);
  return { expected: "0, 1, true or false", got };
}
