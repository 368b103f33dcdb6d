/**
 * Maps the parameter names of a checkpoint to the names in transformers' sequence classifiers. Checkpoints converted
 * from TensorFlow call the weight and bias of a layer norm `gamma` and `beta`. A bare encoder's names lack the prefix
 * of a classifier.
 */
import { type Either, type Problem, unlessProblems } from "../core/either.ts";

/** The values of `model_type` in config.json whose parameter names are known. */
export type EncoderType = "bert" | "distilbert";

/** The top-level modules of an encoder. */
const ENCODER_MODULES: Readonly<Record<EncoderType, readonly string[]>> = {
  bert: ["embeddings", "encoder", "pooler"],
  distilbert: ["embeddings", "transformer"],
};

/**
 * Renames tensors to their names in a sequence classifier. As in transformers, the prefix is added only if no name has
 * it. Two tensors with the same new name are a problem.
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

/** Constants in old checkpoints, which are not parameters. */
const BUFFER = /(^|\.)embeddings\.(position|token_type)_ids$/;

/** The differences between the parameter names of a model and the tensor names of a checkpoint. */
export interface NameComparison {
  /** Parameters of the model without a tensor. */
  readonly missing: readonly string[];
  /** Tensors without a parameter in the model. */
  readonly unexpected: readonly string[];
}

/** Compares a model's parameter names with a checkpoint's tensors. Buffers are ignored. */
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
