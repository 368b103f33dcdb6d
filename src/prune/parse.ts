/** Reads pruning configurations with INC's keys (INC: `process_weight_config`, `check_config`). */
import { checkOneOf, checkOptions, describe, isReadable, isStrings } from "../core/checks.ts";
import { type Either, getOrThrow, left, type Problem, refuseValue, right } from "../core/either.ts";
import type { PrunerConfig, PrunerInput, PruningConfig, PruningConfigInput } from "./config.ts";
import { CRITERION_NAMES, type Criterion, ELEMENT_CRITERION_NAMES } from "./criteria.ts";
import {
  booleanField,
  choiceField,
  coefficientField,
  type Field,
  integerField,
  patternField,
  regulariserField,
  shareField,
  stringsField,
} from "./fields.ts";
import { formatPattern, perElement } from "./pattern.ts";
import { expressionFault } from "./select.ts";
import {
  checkKeys,
  checkPruner,
  isFields,
  type ParseOptions,
  type Report,
  type Sources,
  statedValue,
} from "./sources.ts";

export type { ParseOptions } from "./sources.ts";

/** The suffix of a `pruning_type` for progressive pruning, which changes masks in several parts. */
const PROGRESSIVE = "_progressive";
const PRUNING_TYPES: readonly string[] = /* @__PURE__ */ pruningTypes();

function pruningTypes(): readonly string[] {
  const methods = [...CRITERION_NAMES, "pattern_lock"];
  return [...methods.flatMap((name) => [name, name + PROGRESSIVE]), "basic"];
}

/** The fields of a pruner: INC's keys in camelCase, each with its default value and its reader. */
const FIELDS = {
  targetSparsity: [0.9, shareField],
  pruningType: ["snip_momentum", /* @__PURE__ */ choiceField(PRUNING_TYPES)],
  pattern: ["4x1", patternField],
  opNames: [[], stringsField],
  excludedOpNames: [[], stringsField],
  startStep: [0, /* @__PURE__ */ integerField(0)],
  endStep: [0, /* @__PURE__ */ integerField(-1)],
  pruningScope: ["global", /* @__PURE__ */ choiceField(["global", "local"])],
  pruningFrequency: [1, /* @__PURE__ */ integerField(1)],
  minSparsityRatioPerOp: [0, shareField],
  maxSparsityRatioPerOp: [0.98, shareField],
  sparsityDecayType: ["exp", /* @__PURE__ */ choiceField(["exp", "cos", "linear", "cube"])],
  criterionType: ["snip_momentum", /* @__PURE__ */ choiceField(ELEMENT_CRITERION_NAMES)],
  pruningOpTypes: [["Conv", "Linear"], stringsField],
  lowMemoryUsage: [false, booleanField],
  regType: [null, regulariserField],
  criterionReduceType: ["mean", /* @__PURE__ */ choiceField(["mean", "sum", "max"])],
  regCoeff: [0, coefficientField],
  lockInitSparsity: [false, booleanField],
} as const satisfies Record<string, readonly [unknown, Field<unknown>]>;

type FieldName = keyof typeof FIELDS;
type FieldValues = {
  readonly [Name in FieldName]: (typeof FIELDS)[Name][1] extends Field<infer T> ? T : never;
};

/** Converts the name of a field to INC's key, from camelCase to snake_case. */
function keyOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

const FIELD_NAMES = /* @__PURE__ */ Object.keys(FIELDS) as FieldName[];
const FIELD_KEYS: readonly string[] = /* @__PURE__ */ FIELD_NAMES.map(keyOf);
/** All keys that a pruner may have. `backend` has no effect, as in INC. */
const PRUNER_KEYS: readonly string[] = /* @__PURE__ */ FIELD_KEYS.concat([
  "resume_from_pruned_checkpoint",
  "backend",
  "parameters",
]);

/**
 * The fields that are lists of regular expressions. INC iterates over the value, so it reads a string as a list of its
 * characters.
 */
const EXPRESSIONS: readonly FieldName[] = ["opNames", "excludedOpNames"];

/** Reads all fields of a pruner, and uses defaults for absent ones. Returns `undefined` if a value is invalid. */
function readFields(sources: Sources, report: Report): FieldValues | undefined {
  let isRead = true;
  const values: Record<string, unknown> = {};
  for (const name of FIELD_NAMES) {
    const [fallback, { expected, read }]: readonly [unknown, Field<unknown>] = FIELDS[name];
    const key = keyOf(name);
    const { value: stated, path } = statedValue(sources, key) ?? { value: fallback, path: key };
    const isExpressions = EXPRESSIONS.includes(name);
    const spelt = sources.profile === "inc" && typeof stated === "string" && isExpressions;
    const value = spelt ? [...stated] : stated;
    values[name] = read(value);
    const fault = isExpressions && isStrings(value) ? value.map(expressionFault).find(Boolean) : "";
    if (fault) report(path, "a list of regular expressions", `${describe(value)} (${fault})`);
    else if (values[name] === undefined) report(path, expected, describe(value));
    else continue;
    isRead = false;
  }
  return isRead ? (values as FieldValues) : undefined;
}

/**
 * The method and criterion that a `pruning_type` stands for. With `basic` and `pattern_lock`, the key `criterion_type`
 * gives the criterion.
 */
function resolveType(
  pruningType: string,
  criterion: Criterion,
): Pick<PrunerConfig, "method" | "criterion"> {
  const name = pruningType.replace(PROGRESSIVE, "");
  if (name === "basic" || name === "pattern_lock") return { method: name, criterion };
  const method = pruningType === name ? "basic" : "progressive";
  return { method, criterion: name as Criterion };
}

/** The `pruning_type` that stands for a method and a criterion. */
export function pruningTypeOf({
  method,
  criterion,
}: Pick<PrunerConfig, "method" | "criterion">): string {
  if (method === "pattern_lock") return method;
  return method === "progressive" ? criterion + PROGRESSIVE : criterion;
}

function resolvePruner(
  {
    pruningType,
    criterionType,
    criterionReduceType,
    sparsityDecayType,
    regType,
    regCoeff,
    ...others
  }: FieldValues,
  { profile }: Sources,
): PrunerConfig {
  const { pattern, maxSparsityRatioPerOp: max } = others;
  return {
    ...others,
    // INC ignores the type if the pattern is whole heads.
    ...resolveType(
      pattern.kind === "heads" && profile !== "strict" ? "basic" : pruningType,
      criterionType,
    ),
    sparsityDecay: sparsityDecayType,
    scoreReduction: criterionReduceType,
    maxSparsityRatioPerOp: Math.min(perElement(pattern, 1), max),
    groupLasso: regType === null ? null : regCoeff,
  };
}

/** Checks that the fields of a pruner are consistent with each other (INC: `check_config`). */
function checkRelations(config: PrunerConfig, sources: Sources, report: Report): void {
  const refuse = (name: keyof PrunerConfig, expected: string): void => {
    const key = keyOf(name);
    report(statedValue(sources, key)?.path ?? key, expected, String(config[name]));
  };
  const { pattern, startStep, maxSparsityRatioPerOp: max } = config;
  if (config.endStep < startStep) refuse("endStep", `at least start_step (${startStep})`);
  const most = perElement(pattern, 1);
  if (config.targetSparsity > most && config.method !== "pattern_lock")
    refuse("targetSparsity", `at most ${most}, all that ${formatPattern(pattern)} can prune`);
  if (config.minSparsityRatioPerOp > max)
    refuse("minSparsityRatioPerOp", `at most max_sparsity_ratio_per_op (${max})`);
}

/** Freezes a value and everything that it contains. */
function freeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const entry of Object.values(value)) freeze(entry);
    Object.freeze(value);
  }
  return value;
}

/**
 * Reads a pruning configuration with INC's keys. The configuration is a list of pruners, or an object with default
 * values and a list `pruning_configs` of pruners that override them. The `parameters` of a pruner override all of its
 * other values. A value of `null` counts as absent. If `pruning_configs` is empty or absent, the default values define
 * the only pruner.
 *
 * @returns all problems with their paths, or the configuration as a frozen object.
 *
 * @example
 * ```ts
 * import { parsePruningConfig } from "espalier";
 *
 * const result = parsePruningConfig({ pattern: "2:4", target_sparsity: 0.8, end_stepp: 10 });
 * if (result._tag !== "Left") throw new Error("expected problems");
 * const paths = result.left.map(({ path }) => path).join();
 * if (paths !== "end_stepp,target_sparsity") throw new Error(paths);
 * ```
 */
export function parsePruningConfig(
  config: PruningConfigInput | readonly PrunerInput[],
  options?: ParseOptions,
): Either<readonly Problem[], PruningConfig>;
/** Reads a configuration of unknown type, for example from a file. */
export function parsePruningConfig(
  config: unknown,
  options?: ParseOptions,
): Either<readonly Problem[], PruningConfig>;
export function parsePruningConfig(
  input: unknown,
  options: ParseOptions = {},
): Either<readonly Problem[], PruningConfig> {
  checkOptions("options", options, ["profile", "unknownKeys"]);
  const { profile = "inc", unknownKeys = "refuse" } = options;
  checkOneOf("profile", profile, ["inc", "strict"]);
  checkOneOf("unknownKeys", unknownKeys, ["refuse", "ignore"]);
  if (!isReadable(input)) return refuseValue("config", "an object or a list of objects", input);
  const top = Array.isArray(input) ? { pruning_configs: input } : input;
  if (!isFields(top)) return refuseValue("config", "an object or a list of objects", input);
  const locals = "pruning_configs" in top ? top.pruning_configs : [{}];
  // Unlike `every`, `findIndex` does not skip holes.
  if (!Array.isArray(locals) || locals.findIndex((local) => !isFields(local)) >= 0)
    return refuseValue("pruning_configs", "a list of objects", locals);
  // A problem with a top-level value is reported once, although all pruners read it.
  const problems = new Map<string, Problem>();
  const report: Report = (path, expected, got) => {
    if (!problems.has(path)) problems.set(path, { path, expected, got });
  };
  const checksKeys = unknownKeys === "refuse";
  if (checksKeys) checkKeys(top, [...PRUNER_KEYS, "pruning_configs"], "", report);
  const isOnly = locals.length === 0;
  const pruners = (isOnly ? [{}] : locals).flatMap((local, i): readonly PrunerConfig[] => {
    const prefix = isOnly ? "" : `pruning_configs[${i}].`;
    const sources = { local, prefix, top, isOnly, profile: options.profile };
    checkPruner(sources, PRUNER_KEYS, FIELD_KEYS, checksKeys, report);
    const fields = readFields(sources, report);
    if (fields === undefined) return [];
    const config = resolvePruner(fields, sources);
    checkRelations(config, sources, report);
    return [config];
  });
  return problems.size > 0 ? left([...problems.values()]) : right(freeze({ pruners }));
}

/**
 * Like {@link parsePruningConfig}, but throws an error if there are problems.
 *
 * @throws InputError with all problems.
 */
export function parsePruningConfigOrThrow(
  config: PruningConfigInput | readonly PrunerInput[],
  options?: ParseOptions,
): PruningConfig;
/** Reads a configuration of unknown type, for example from a file. */
export function parsePruningConfigOrThrow(config: unknown, options?: ParseOptions): PruningConfig;
export function parsePruningConfigOrThrow(
  input: unknown,
  options: ParseOptions = {},
): PruningConfig {
  return getOrThrow(parsePruningConfig(input, options));
}
