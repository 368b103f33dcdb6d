/** The weights of classes in a loss against labels. */
import { describe } from "../core/checks.ts";
import { type Either, left, type Problem, right } from "../core/either.ts";
import { isJsonObject, type JsonValue } from "../io/json.ts";
import type { ModelConfig } from "../model/config.ts";
import type { Named } from "./model-fit.ts";
import type { RunDescription } from "./plan.ts";
import { labelNames } from "./task-labels.ts";

/** `balanced`, or the content of a JSON file: a list in the order of the ids, or an object with the labels' names. */
export type GivenWeights = "balanced" | Named<JsonValue>;

/** Returns the weight of each class of a model, or the problems of those that are given. */
export function classWeights(
  given: GivenWeights,
  config: ModelConfig,
  rows: RunDescription["trainingRows"],
): Either<readonly Problem[], readonly number[]> {
  const { labels: classes, problemType } = config;
  if (problemType !== null && problemType !== "single_label_classification") {
    const path = "`classWeights`";
    return left([{ path, expected: `none for ${problemType}`, got: "some" }]);
  }
  if (given === "balanced") return right(balancedWeights(classes, labelsOf(rows)));
  const { path, value } = given;
  const names = labelNames(config) ?? Array.from({ length: classes }, (_, id) => String(id));
  const entries = isJsonObject(value) ? namedEntries(value, names) : listEntries(value, names);
  if (entries === undefined) {
    const expected = `a list of ${classes} numbers, or an object with a number for each label`;
    return left([{ path, expected, got: describe(value) }]);
  }
  const problems = entries.flatMap(([name, weight]) =>
    typeof weight === "number" && weight > 0 && weight < Infinity
      ? []
      : [{ path: `${path} ${name}`, expected: "a number above 0", got: weightText(weight) }],
  );
  const unknown = isJsonObject(value)
    ? Object.keys(value).filter((key) => !names.includes(key))
    : [];
  const unknownProblems = unknown.map((key) => ({
    path: `${path} ${key}`,
    expected: `one of the labels ${names.slice(0, 10).join(", ")}`,
    got: "another name",
  }));
  const all = [...problems, ...unknownProblems];
  return all.length > 0 ? left(all) : right(entries.map(([, weight]) => Number(weight)));
}

type Entries = readonly (readonly [name: string, weight: JsonValue | undefined])[];

function namedEntries(
  value: Readonly<Record<string, JsonValue>>,
  names: readonly string[],
): Entries {
  return names.map((name) => [name, Object.hasOwn(value, name) ? value[name] : undefined]);
}

function listEntries(value: JsonValue, names: readonly string[]): Entries | undefined {
  if (!Array.isArray(value) || value.length !== names.length) return undefined;
  return value.map((weight, id) => [names[id] ?? String(id), weight]);
}

function weightText(weight: JsonValue | undefined): string {
  return weight === undefined ? "nothing" : describe(weight);
}

/** Returns rows / (classes x rows of the class), as scikit-learn's `balanced`; 1 for a class without rows. */
export function balancedWeights(classes: number, labels: ArrayLike<number>): readonly number[] {
  const counts = new Array<number>(classes).fill(0);
  for (let row = 0; row < labels.length; row++) {
    const label = labels[row] ?? 0;
    counts[label] = (counts[label] ?? 0) + 1;
  }
  return counts.map((count) => (count === 0 ? 1 : labels.length / (classes * count)));
}

function labelsOf(rows: RunDescription["trainingRows"]): ArrayLike<number> {
  return "inputIds" in rows ? rows.labels : rows.map(({ label }) => label);
}
