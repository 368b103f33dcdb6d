/**
 * Where a pruner's values come from, and which keys there are (INC: `process_weight_config`,
 * `update_params`, `check_key_validity`).
 */
import { right } from "fp-ts/Either";
import { nearestName } from "../core/nearest.ts";
import { allOf, refuseValue, unlessProblems, type Validated } from "../core/validation.ts";
import type { Profile } from "./config.ts";

/** Options of `parsePruningConfig`. */
export interface ParseOptions {
  /** INC warns of unknown keys and goes on; so does `ignore`, silently. Default `refuse`. */
  readonly unknownKeys?: "refuse" | "ignore";
  /**
   * Unless `strict`, values have INC's precedence: a `reg_coeff` outside of `parameters` and a
   * `lock_init_sparsity` that is handed down are dropped, and `resume_from_pruned_checkpoint` does nothing.
   * `inc` also reads a text where a list of names belongs as INC does: letter by letter, each an expression of
   * its own. Otherwise it is refused.
   */
  readonly profile?: Profile;
}

/** A part of a configuration, by its keys. */
export type Fields = Readonly<Record<string, unknown>>;

/** Whether a value is an object with keys. */
export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Refuses keys that mean nothing. */
export function checkKeys(
  fields: Fields,
  known: readonly string[],
  prefix: string,
  options: ParseOptions,
): Validated<unknown> {
  const keys = options.unknownKeys === "ignore" ? [] : Object.keys(fields);
  const problems = keys
    .filter((key) => !known.includes(key))
    .map((key) => {
      const near = nearestName(key, known);
      const expected = near === undefined ? "a known key" : `a known key; the nearest is ${near}`;
      return { path: `${prefix}${key}`, expected, got: "an unknown one" };
    });
  return unlessProblems(problems, fields);
}

/** A value and where the configuration states it. */
interface Stated {
  readonly value: unknown;
  readonly path: string;
}

/** Where a pruner's values come from, in INC's order of precedence. */
export class Sources {
  readonly local: Fields;
  readonly top: Fields;
  readonly prefix: string;
  readonly isOnly: boolean;
  readonly profile: Profile;

  /** @param local the pruner's own dictionary, or `null` where `pruning_configs` is empty. */
  constructor(local: Fields | null, top: Fields, prefix: string, profile: Profile) {
    this.local = local ?? {};
    this.top = top;
    this.prefix = prefix;
    this.isOnly = local === null;
    this.profile = profile;
  }

  /** The pruner's own value, else the top level's; `null` counts as not given. */
  private own(key: string): Stated | undefined {
    const local = this.local[key] ?? undefined;
    if (local !== undefined) return { value: local, path: `${this.prefix}${key}` };
    // INC's defaults do not know lock_init_sparsity, so it is not handed down to the pruners.
    const isDropped = this.profile === "inc" && key === "lock_init_sparsity" && !this.isOnly;
    if (isDropped) return undefined;
    const top = this.top[key] ?? undefined;
    return top === undefined ? undefined : { value: top, path: key };
  }

  /** `parameters` overrides every key; under `inc` its default overrides reg_coeff with 0. */
  stated(key: string): Stated | undefined {
    const parameters = this.own("parameters");
    if (parameters && isFields(parameters.value) && key in parameters.value)
      return { value: parameters.value[key], path: `${parameters.path}.${key}` };
    const isOverridden = this.profile === "inc" && key === "reg_coeff" && parameters === undefined;
    return isOverridden ? undefined : this.own(key);
  }

  /** INC accepts the flag and resumes nothing; `strict` refuses what would have no effect. */
  checkResumeFlag(): Validated<unknown> {
    const flag = this.own("resume_from_pruned_checkpoint");
    if (this.profile === "inc" || !flag?.value) return right(flag);
    return refuseValue(flag.path, "false: pruning resumes from a saved state", flag.value);
  }

  /** Checks the keys of the pruner itself, and of its `parameters`, which are fields only. */
  checkKeys(
    pruner: readonly string[],
    fields: readonly string[],
    options: ParseOptions,
  ): Validated<unknown> {
    const parameters = this.own("parameters") ?? { value: {}, path: "parameters" };
    return allOf({
      own: checkKeys(this.local, pruner, this.prefix, options),
      parameters: isFields(parameters.value)
        ? checkKeys(parameters.value, fields, `${parameters.path}.`, options)
        : refuseValue(parameters.path, "an object", parameters.value),
    });
  }
}
