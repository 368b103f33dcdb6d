/**
 * Looks up the values of a pruner in a configuration, and checks its keys (INC: `process_weight_config`,
 * `update_params`, `check_key_validity`).
 */
import { describe, knownKey } from "../core/checks.ts";
import type { Profile } from "./config.ts";

/** Options for `parsePruningConfig`. */
export interface ParseOptions {
  /**
   * Whether unknown keys are reported as problems or ignored. INC warns about them and ignores them. Default `refuse`.
   */
  readonly unknownKeys?: "refuse" | "ignore";
  /**
   * Unless the profile is `strict`, values have INC's precedence: a `reg_coeff` outside of `parameters` and an
   * inherited `lock_init_sparsity` are ignored, and `resume_from_pruned_checkpoint` has no effect. With `inc`, a string
   * in place of a list of names is read as INC reads it: each character is one regular expression. If the profile is
   * `strict` or not given, such a string is a problem.
   */
  readonly profile?: Profile;
}

/** An object in a configuration. */
export type Fields = Readonly<Record<string, unknown>>;

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Records a problem. Reading continues afterwards. */
export type Report = (path: string, expected: string, got: string) => void;

export function checkKeys(
  fields: Fields,
  known: readonly string[],
  prefix: string,
  report: Report,
): void {
  for (const key of Object.keys(fields)) {
    if (!known.includes(key)) report(prefix + key, knownKey(key, known), "an unknown one");
  }
}

/** A value that a configuration contains, and its path in the configuration. */
interface Stated {
  readonly value: unknown;
  readonly path: string;
}

/** The objects from which a pruner's configuration is read. */
export interface Sources {
  /** The pruner's own object, and the prefix of its keys in the paths of problems. */
  readonly local: Fields;
  readonly prefix: string;
  readonly top: Fields;
  /** Whether the top-level object defines the only pruner, because `pruning_configs` is an empty list. */
  readonly isOnly: boolean;
  /** If `undefined`, values have INC's precedence. */
  readonly profile: Profile | undefined;
}

/** The value of a key in the pruner's own object, or else at the top level. `null` counts as absent. */
function ownValue(
  { local, prefix, top, isOnly, profile }: Sources,
  key: string,
): Stated | undefined {
  const value = local[key] ?? undefined;
  if (value !== undefined) return { value, path: prefix + key };
  // INC's defaults lack lock_init_sparsity, so pruners do not inherit it.
  if (profile !== "strict" && key === "lock_init_sparsity" && !isOnly) return undefined;
  const handedDown = top[key] ?? undefined;
  return handedDown === undefined ? undefined : { value: handedDown, path: key };
}

/**
 * The value of a key for a pruner. `parameters` overrides all other values. Unless the profile is `strict`, `reg_coeff`
 * is ignored if `parameters` is absent, because INC's default for `parameters` sets it to 0.
 */
export function statedValue(sources: Sources, key: string): Stated | undefined {
  const parameters = ownValue(sources, "parameters");
  if (parameters && isFields(parameters.value) && key in parameters.value)
    return { value: parameters.value[key], path: `${parameters.path}.${key}` };
  const isOverridden = sources.profile !== "strict" && key === "reg_coeff" && !parameters;
  return isOverridden ? undefined : ownValue(sources, key);
}

/** Checks the keys of a pruner and of its `parameters`, and under `strict` that resuming is not requested. */
export function checkPruner(
  sources: Sources,
  pruner: readonly string[],
  fields: readonly string[],
  checksKeys: boolean,
  report: Report,
): void {
  if (checksKeys) checkKeys(sources.local, pruner, sources.prefix, report);
  const { value, path } = ownValue(sources, "parameters") ?? { value: {}, path: "" };
  if (!isFields(value)) report(path, "an object", describe(value));
  else if (checksKeys) checkKeys(value, fields, `${path}.`, report);
  // INC accepts this flag but does not resume.
  const flag = ownValue(sources, "resume_from_pruned_checkpoint");
  if (sources.profile === "strict" && flag?.value)
    report(flag.path, "false: pruning resumes from a saved state", describe(flag.value));
}
