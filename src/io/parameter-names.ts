/**
 * Maps the parameter names of a checkpoint to the names in transformers' sequence classifiers. Checkpoints converted
 * from TensorFlow call the weight and bias of a layer norm `gamma` and `beta`. The names in a bare encoder lack the
 * prefix, such as `bert.`, that they have in a classifier.
 */
import { checkKind, checkMap, checkString, succeeds } from "../core/checks.ts";
import { type Either, type Problem, unlessProblems } from "../core/either.ts";
import { type EncoderType, encoderNames } from "../core/encoder-types.ts";

/** The parts that DataParallel, torch.compile, FSDP and activation checkpointing add to names. */
const WRAPPERS: readonly string[] = [
  "module",
  "_orig_mod",
  "_fsdp_wrapped_module",
  "_checkpoint_wrapped_module",
];

/** Removes the parts that wrappers add to the name of a module or tensor. */
export function withoutWrappers(name: string): string {
  const parts = name.split(".");
  return parts.filter((part) => !WRAPPERS.includes(part)).join(".");
}

/**
 * Removes the parts that wrappers, or classes with a member `model`, add to a name, if the result is a name in the
 * encoder or head.
 */
function unwrappedName(modelType: EncoderType, current: string): string {
  const parts = withoutWrappers(current)
    .split(".")
    .filter((part) => part !== "model");
  const [first = ""] = parts;
  const { prefix, modules, head } = encoderNames(modelType);
  const isKnown = first === prefix || modules.includes(first) || head.includes(first);
  return isKnown ? parts.join(".") : current;
}

/**
 * Gives tensors their names in a sequence classifier. As in transformers, the prefix is added only if no name has it.
 * Parts that wrappers add are removed, unless another tensor already has the resulting name. Two tensors with the same
 * new name are a problem.
 */
export function canonicalNames<T>(
  modelType: EncoderType,
  tensors: ReadonlyMap<string, T>,
): Either<readonly Problem[], ReadonlyMap<string, T>> {
  const { modules, ...names } = encoderNames(modelType);
  const prefix = `${names.prefix}.`;
  const all = [...tensors].map(([stored, tensor]) => {
    const current = stored.replace(/\.gamma$/, ".weight").replace(/\.beta$/, ".bias");
    return { stored, tensor, current, name: unwrappedName(modelType, current) };
  });
  const bare = !all.some(({ name }) => name.startsWith(prefix));
  const prefixed = (name: string): string =>
    bare && modules.includes(name.split(".")[0] ?? "") ? prefix + name : name;
  const plain = new Set(all.filter(({ name, current }) => name === current).map((a) => a.name));
  const named = new Map<string, T>();
  const storedAs = new Map<string, string>();
  const problems: Problem[] = [];
  for (const { stored, tensor, current, name: unwrapped } of all) {
    const yields = unwrapped !== current && plain.has(unwrapped);
    const name = yields ? current : prefixed(unwrapped);
    const other = storedAs.get(name);
    if (other !== undefined)
      problems.push({ path: stored, expected: `one tensor for ${name}`, got: `${other} too` });
    named.set(name, tensor);
    storedAs.set(name, stored);
  }
  return unlessProblems(problems, named);
}

/** Matches constants in old checkpoints, which are not parameters. */
const BUFFER = /(^|\.)embeddings\.(position|token_type)_ids$/;

/** The differences between the parameter names of a model and the tensor names of a checkpoint. */
export interface NameComparison {
  /** The model's parameters for which the checkpoint has no tensor. */
  readonly missing: readonly string[];
  /** The checkpoint's tensors for which the model has no parameter. */
  readonly unexpected: readonly string[];
}

/**
 * Compares the names of a model's parameters with those of a checkpoint's tensors. Constants, such as `position_ids`,
 * are ignored.
 */
export function compareNames(
  parameters: Iterable<string>,
  tensors: ReadonlyMap<string, unknown>,
): NameComparison {
  const wanted = new Set<string>();
  const areNames = succeeds(() => {
    for (const name of parameters) {
      if (typeof name !== "string") return false;
      wanted.add(name);
    }
    return true;
  });
  checkKind(areNames, "parameters", "names", parameters);
  checkMap("tensors", tensors);
  for (const name of tensors.keys()) checkString("a key of tensors", name);
  return {
    missing: [...wanted].filter((name) => !tensors.has(name)),
    unexpected: [...tensors.keys()].filter((name) => !wanted.has(name) && !BUFFER.test(name)),
  };
}
