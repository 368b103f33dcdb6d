/**
 * The places in a configuration that state a pruner's values, and the keys allowed there (INC:
 * `process_weight_config`, `update_params`, `check_key_validity`).
 */
import { describe } from "../core/checks.ts";
import { nearestName } from "../core/nearest.ts";
import type { Profile } from "./config.ts";

/** Options of `parsePruningConfig`. */
export interface ParseOptions {
  /** INC warns of unknown keys and goes on; `ignore` goes on silently. Default `refuse`. */
  readonly unknownKeys?: "refuse" | "ignore";
  /**
   * Unless `strict`, values have INC's precedence: a `reg_coeff` outside of `parameters` and an inherited
   * `lock_init_sparsity` are dropped, and `resume_from_pruned_checkpoint` does nothing. `inc` also reads a text in the
   * place of a list of names as INC does: letter by letter, each an expression. Otherwise it is refused.
   */
  readonly profile?: Profile;
}

/** A part of a configuration, by its keys. */
export type Fields = Readonly<Record<string, unknown>>;

/** Whether a value is an object with keys. */
export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Reports a problem; reading goes on. */
export type Report = (path: string, expected: string, got: string) => void;

/** Reports unknown keys. */
export function checkKeys(
  fields: Fields,
  known: readonly string[],
  prefix: string,
  report: Report,
): void {
  for (const key of Object.keys(fields)) {
    if (known.includes(key)) continue;
    const near = nearestName(key, known);
    const expected = near === undefined ? "a known key" : `a known key; the nearest is ${near}`;
    report(prefix + key, expected, "an unknown one");
  }
}

/** A value and where the configuration states it. */
interface Stated {
  readonly value: unknown;
  readonly path: string;
}

/** Where a pruner's values come from. */
export interface Sources {
  /** The pruner's own dictionary, and what stands before its keys in paths. */
  readonly local: Fields;
  readonly prefix: string;
  readonly top: Fields;
  /** Whether `pruning_configs` is empty, and the top level is the pruner. */
  readonly isOnly: boolean;
  /** As asked for; if it was not, values have INC's precedence. */
  readonly profile: Profile | undefined;
}

/** The pruner's own value, else the top level's; `null` counts as not given. */
function ownValue(
  { local, prefix, top, isOnly, profile }: Sources,
  key: string,
): Stated | undefined {
  const value = local[key] ?? undefined;
  if (value !== undefined) return { value, path: prefix + key };
  // INC's defaults do not know lock_init_sparsity, so it is not handed down to the pruners.
  if (profile !== "strict" && key === "lock_init_sparsity" && !isOnly) return undefined;
  const handedDown = top[key] ?? undefined;
  return handedDown === undefined ? undefined : { value: handedDown, path: key };
}

/** A pruner's value. `parameters` overrides every key; under `inc` its default overrides reg_coeff with 0. */
export function statedValue(sources: Sources, key: string): Stated | undefined {
  const parameters = ownValue(sources, "parameters");
  if (parameters && isFields(parameters.value) && key in parameters.value)
    return { value: parameters.value[key], path: `${parameters.path}.${key}` };
  const isOverridden = sources.profile !== "strict" && key === "reg_coeff" && !parameters;
  return isOverridden ? undefined : ownValue(sources, key);
}

/** Checks a pruner's keys, those of its `parameters`, which are fields only, and the flag that asks to resume. */
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
  // INC accepts the flag and resumes nothing.
  const flag = ownValue(sources, "resume_from_pruned_checkpoint");
  if (sources.profile === "strict" && flag?.value)
    report(flag.path, "false: pruning resumes from a saved state", describe(flag.value));
}
