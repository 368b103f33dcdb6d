/** Finds the model's dictionary of tensors in a training checkpoint, which has other entries beside it. */
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
  /** The keys that lead to the dictionary. */
  readonly path: readonly string[];
  readonly dictionary: Dictionary;
}

function hasModelKey({ path }: Candidate): boolean {
  return MODEL_KEYS.includes(path.at(-1) ?? "");
}

/** Whether a dictionary holds named tensors only. */
function isNamedTensors(dictionary: Dictionary): boolean {
  return [...dictionary].every(([key, value]) => typeof key === "string" && isTensorCall(value));
}

/** The dictionaries among the values of a dictionary. */
function dictionariesIn({ path, dictionary }: Candidate): readonly Candidate[] {
  return [...dictionary].flatMap(([key, value]) =>
    typeof key === "string" && value instanceof Map
      ? [{ path: [...path, key], dictionary: value }]
      : [],
  );
}

/** Whether a dictionary can be a model's. Under a usual key, other values beside the tensors are reported later. */
function isCandidate(candidate: Candidate): boolean {
  const { dictionary } = candidate;
  if (hasModelKey(candidate)) return [...dictionary.values()].some(isTensorCall);
  return dictionary.size > 0 && isNamedTensors(dictionary);
}

/** Whether a dictionary has tensors of two or more dimensions, as a model has. */
function hasMatrices(dictionary: Dictionary): boolean {
  return [...dictionary.values()].some((value) => {
    const tensor = tensorOf(value);
    return typeof tensor !== "string" && tensor.shape.length >= 2;
  });
}

/**
 * The dictionary of tensors in a pickle's value: a nested one if there is one, otherwise the value itself. Nested
 * dictionaries are looked for at two levels. Several of them are refused unless one has a usual key.
 *
 * @param source the file's name in problems
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
