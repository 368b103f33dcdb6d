/** Finds the model's dictionary of tensors in a training checkpoint, which also has other entries. */
import { describe } from "../core/checks.ts";
import { type Either, type Problem, refuse, right } from "../core/either.ts";
import type { PickleValue } from "./pickle.ts";
import { isTensorCall, tensorOf } from "./torch-tensor.ts";

type Dictionary = ReadonlyMap<PickleValue, PickleValue>;

/** The usual keys of the model's dictionary. They have priority over other dictionaries of tensors. */
const MODEL_KEYS: readonly string[] = [
  "state_dict",
  "model_state_dict",
  "model",
  "net",
  "network",
  "module",
  "weights",
  "params",
];

interface Candidate {
  /** The keys that lead from the outermost dictionary to this dictionary. */
  readonly path: readonly string[];
  readonly dictionary: Dictionary;
}

function hasModelKey({ path }: Candidate): boolean {
  return MODEL_KEYS.includes(path.at(-1) ?? "");
}

/** Whether a dictionary contains only tensors, under string keys. */
function isNamedTensors(dictionary: Dictionary): boolean {
  return [...dictionary].every(([key, value]) => typeof key === "string" && isTensorCall(value));
}

/** Returns the dictionaries among the values of a dictionary. */
function dictionariesIn({ path, dictionary }: Candidate): readonly Candidate[] {
  return [...dictionary].flatMap(([key, value]) =>
    typeof key === "string" && value instanceof Map
      ? [{ path: [...path, key], dictionary: value }]
      : [],
  );
}

/**
 * Whether a dictionary can be a model's state dict. Under a usual key, it may also contain other values, which are
 * reported later.
 */
function isCandidate(candidate: Candidate): boolean {
  const { dictionary } = candidate;
  if (hasModelKey(candidate)) return [...dictionary.values()].some(isTensorCall);
  return dictionary.size > 0 && isNamedTensors(dictionary);
}

/** Whether a dictionary contains tensors with two or more dimensions, as a model's state dict does. */
function hasMatrices(dictionary: Dictionary): boolean {
  return [...dictionary.values()].some((value) => {
    const tensor = tensorOf(value);
    return typeof tensor !== "string" && tensor.shape.length >= 2;
  });
}

/**
 * Returns the dictionary of tensors in the value of a pickle: a nested dictionary if there is one, otherwise the value
 * itself. Nested dictionaries are searched at two levels. Several nested dictionaries are refused, unless one has a
 * usual key.
 *
 * @param source identifies the file in problems
 */
export function findStateDict(
  source: string,
  value: PickleValue,
): Either<readonly Problem[], Dictionary> {
  if (!(value instanceof Map)) return refuse(source, "a dictionary of tensors", describe(value));
  const outer = dictionariesIn({ path: [], dictionary: value });
  const nearest = outer.filter(isCandidate);
  const candidates =
    nearest.length > 0 ? nearest : outer.flatMap(dictionariesIn).filter(isCandidate);
  const models = candidates.filter(hasModelKey);
  const [chosen, another] = models.length > 0 ? models : candidates;
  if (chosen === undefined) return right(value);
  const isModel = hasModelKey(chosen) || !hasMatrices(value);
  if (another === undefined && isModel) return right(chosen.dictionary);
  const keys = candidates.map(({ path }) => path.join("."));
  if (hasMatrices(value)) keys.push("tensors beside them");
  return refuse(source, "one dictionary of tensors", `several: ${keys.join(", ")}`);
}
