/**
 * Parameter names of checkpoints, brought to those transformers' sequence classifiers have. Checkpoints
 * converted from TensorFlow call a layer norm's weight and bias `gamma` and `beta`; a bare encoder's
 * names lack the prefix that they have inside a classifier.
 */
import { type Either, type Problem, unlessProblems } from "../core/either.ts";

/** Model types whose names are known: `model_type` of config.json. */
export type EncoderType = "bert" | "distilbert";

/** First parts of the names in a bare encoder. */
const ENCODER_MODULES: Readonly<Record<EncoderType, readonly string[]>> = {
  bert: ["embeddings", "encoder", "pooler"],
  distilbert: ["embeddings", "transformer"],
};

/**
 * The tensors under their names in a sequence classifier. The prefix is added as transformers does it:
 * only where no name has it yet. Two tensors that would get the same name are a problem.
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
    const current = currentName(stored);
    const inEncoder = ENCODER_MODULES[modelType].includes(current.split(".")[0] ?? "");
    const name = bare && inEncoder ? prefix + current : current;
    const other = storedAs.get(name);
    if (other !== undefined) {
      problems.push({ path: stored, expected: `one tensor for ${name}`, got: `${other} too` });
    }
    named.set(name, tensor);
    storedAs.set(name, stored);
  }
  return unlessProblems(problems, named);
}

/** A name with `gamma` and `beta`, as its last part, replaced by what they are called now. */
function currentName(name: string): string {
  return name.replace(/\.gamma$/, ".weight").replace(/\.beta$/, ".bias");
}

/** How a checkpoint's names relate to a model's. */
export interface NameComparison {
  /** Parameters of the model without a tensor: to be newly initialised. */
  readonly missing: readonly string[];
  /** Tensors the model has no parameter for: not used. */
  readonly unexpected: readonly string[];
}

/** Compares a model's parameter names with a checkpoint's, in either's order; buffers do not count. */
export function compareNames(
  parameters: Iterable<string>,
  tensors: ReadonlyMap<string, unknown>,
): NameComparison {
  const wanted = new Set(parameters);
  return {
    missing: [...wanted].filter((name) => !tensors.has(name)),
    unexpected: [...tensors.keys()].filter((name) => !wanted.has(name) && !isBuffer(name)),
  };
}

/** Constants that old checkpoints store beside the parameters. */
function isBuffer(name: string): boolean {
  return /(^|\.)embeddings\.(position|token_type)_ids$/.test(name);
}
