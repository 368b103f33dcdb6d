/**
 * Parameter names of checkpoints, and those of transformers' sequence classifiers. Checkpoints converted from TensorFlow
 * call a layer norm's weight and bias `gamma` and `beta`; names of a bare encoder lack the prefix of a classifier.
 */
import { type Either, type Problem, unlessProblems } from "../core/either.ts";

/** Model types whose names are known: `model_type` of config.json. */
export type EncoderType = "bert" | "distilbert";

/** The first parts of a bare encoder's names. */
const ENCODER_MODULES: Readonly<Record<EncoderType, readonly string[]>> = {
  bert: ["embeddings", "encoder", "pooler"],
  distilbert: ["embeddings", "transformer"],
};

/**
 * The tensors by their names in a sequence classifier. As in transformers, the prefix is added only if no name has it.
 * Two tensors of the same name are a problem.
 */
export function canonicalNames<T>(
  modelType: EncoderType,
  tensors: ReadonlyMap<string, T>,
): Either<readonly Problem[], ReadonlyMap<string, T>> {
  const prefix = `${modelType}.`;
  const bare = ![...tensors.keys()].some((name) => name.startsWith(prefix));
  const named = new Map<string, T>();
  const storedAs = new Map<string, string>();
  const problems: Problem[] = [];
  for (const [stored, tensor] of tensors) {
    const current = stored.replace(/\.gamma$/, ".weight").replace(/\.beta$/, ".bias");
    const inEncoder = ENCODER_MODULES[modelType].includes(current.split(".")[0] ?? "");
    const name = bare && inEncoder ? prefix + current : current;
    const other = storedAs.get(name);
    if (other !== undefined)
      problems.push({ path: stored, expected: `one tensor for ${name}`, got: `${other} too` });
    named.set(name, tensor);
    storedAs.set(name, stored);
  }
  return unlessProblems(problems, named);
}

/** Constants that old checkpoints store. */
const BUFFER = /(^|\.)embeddings\.(position|token_type)_ids$/;

/** The difference between the names of a model and of a checkpoint. */
export interface NameComparison {
  /** Parameters of the model without a tensor. */
  readonly missing: readonly string[];
  /** Tensors without a parameter in the model. */
  readonly unexpected: readonly string[];
}

/** Compares a model's parameter names with a checkpoint's. Buffers do not count. */
export function compareNames(
  parameters: Iterable<string>,
  tensors: ReadonlyMap<string, unknown>,
): NameComparison {
  const wanted = new Set(parameters);
  return {
    missing: [...wanted].filter((name) => !tensors.has(name)),
    unexpected: [...tensors.keys()].filter((name) => !wanted.has(name) && !BUFFER.test(name)),
  };
}
