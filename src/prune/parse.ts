/**
 * Reads pruning configurations in INC's keys (INC: `process_weight_config`, `check_config`).
 */
import { chain, map, mapLeft, right } from "fp-ts/Either";
import { pipe } from "fp-ts/function";
import { uniq } from "fp-ts/ReadonlyArray";
import { checkOneOf, describe } from "../core/checks.ts";
import { type Either, getOrThrow, type Problem } from "../core/either.ts";
import { allOf, eachOf, refuseValue, unlessProblems, type Validated } from "../core/validation.ts";
import type { Criterion, PrunerConfig, PruningConfig } from "./config.ts";
import {
  booleanField,
  choiceField,
  coefficientField,
  expressionsField,
  type FieldReader,
  integerField,
  numberField,
  optionalField,
  patternField,
  stringsField,
} from "./fields.ts";
import { formatPattern } from "./pattern.ts";
import { checkKeys, type Fields, isFields, type ParseOptions, Sources } from "./sources.ts";

export type { ParseOptions } from "./sources.ts";

const CRITERIA = ["magnitude", "gradient", "snip", "snip_momentum"] as const;

/** What `pruning_type` stands for; `basic` leaves the criterion to `criterion_type`. */
interface PruningType {
  readonly method: PrunerConfig["method"];
  readonly criterion?: Criterion;
}

const PRUNING_TYPES = {
  magnitude: { method: "basic", criterion: "magnitude" },
  magnitude_progressive: { method: "progressive", criterion: "magnitude" },
  gradient: { method: "basic", criterion: "gradient" },
  gradient_progressive: { method: "progressive", criterion: "gradient" },
  snip: { method: "basic", criterion: "snip" },
  snip_progressive: { method: "progressive", criterion: "snip" },
  snip_momentum: { method: "basic", criterion: "snip_momentum" },
  snip_momentum_progressive: { method: "progressive", criterion: "snip_momentum" },
  block_mask: { method: "block_mask", criterion: "block_mask" },
  block_mask_progressive: { method: "progressive", criterion: "block_mask" },
  retrain_free: { method: "retrain_free", criterion: "retrain_free" },
  retrain_free_progressive: { method: "progressive", criterion: "retrain_free" },
  basic: { method: "basic" },
  pattern_lock: { method: "pattern_lock" },
  pattern_lock_progressive: { method: "pattern_lock" },
} as const satisfies Record<string, PruningType>;

type PruningTypeName = keyof typeof PRUNING_TYPES;

/** INC's keys with their defaults and readers. */
const FIELDS = {
  target_sparsity: [0.9, numberField({ min: 0, below: 1 })],
  pruning_type: ["snip_momentum", choiceField(Object.keys(PRUNING_TYPES) as PruningTypeName[])],
  pattern: ["4x1", patternField],
  op_names: [[], expressionsField],
  excluded_op_names: [[], expressionsField],
  start_step: [0, integerField(0)],
  end_step: [0, integerField(-1)],
  pruning_scope: ["global", choiceField(["global", "local"])],
  pruning_frequency: [1, integerField(1)],
  min_sparsity_ratio_per_op: [0, numberField({ min: 0, below: 1 })],
  max_sparsity_ratio_per_op: [0.98, numberField({ min: 0, below: 1 })],
  sparsity_decay_type: ["exp", choiceField(["exp", "cos", "linear", "cube"])],
  criterion_type: ["snip_momentum", choiceField(CRITERIA)],
  pruning_op_types: [["Conv", "Linear"], stringsField],
  low_memory_usage: [false, booleanField],
  reg_type: [null, optionalField(choiceField(["group_lasso"]))],
  criterion_reduce_type: ["mean", choiceField(["mean", "sum", "max"])],
  reg_coeff: [0, coefficientField],
  lock_init_sparsity: [false, booleanField],
} as const satisfies Record<string, readonly [unknown, FieldReader<unknown>]>;

type FieldName = keyof typeof FIELDS;
type FieldValues = {
  readonly [Name in FieldName]: (typeof FIELDS)[Name][1] extends FieldReader<infer T> ? T : never;
};

/** Accepted and without effect, as in INC. */
const INERT_KEYS = ["resume_from_pruned_checkpoint", "backend"];
const PRUNER_KEYS = [...Object.keys(FIELDS), ...INERT_KEYS, "parameters"];

/** Fields in which INC walks through whatever it is given, be it a list or the letters of a text. */
const NAME_LISTS: readonly FieldName[] = ["op_names", "excluded_op_names"];

/** Reads one field from where it is stated, or its default. */
function readField(
  sources: Sources,
  name: FieldName,
  { profile }: ParseOptions,
): Validated<unknown> {
  const [fallback, reader] = FIELDS[name];
  const { value: stated, path } = sources.stated(name) ?? { value: fallback, path: name };
  const spelt = profile === "inc" && typeof stated === "string" && NAME_LISTS.includes(name);
  const value = spelt ? [...stated] : stated;
  const read: FieldReader<unknown> = reader;
  return pipe(
    read(value),
    mapLeft(({ expected, detail }) => [
      { path, expected, got: describe(value) + (detail === undefined ? "" : ` (${detail})`) },
    ]),
  );
}

/** Reads all fields of a pruner. */
function readFields(sources: Sources, options: ParseOptions): Validated<FieldValues> {
  const names = Object.keys(FIELDS) as FieldName[];
  const results = Object.fromEntries(
    names.map((name) => [name, readField(sources, name, options)]),
  );
  return allOf(results) as Validated<FieldValues>;
}

/** The pruner that the fields stand for. */
function resolvePruner(fields: FieldValues): PrunerConfig {
  const type: PruningType = PRUNING_TYPES[fields.pruning_type];
  const { method, criterion = fields.criterion_type } = type;
  const { pattern, max_sparsity_ratio_per_op: max } = fields;
  return {
    method,
    criterion,
    pattern,
    targetSparsity: fields.target_sparsity,
    opNames: fields.op_names,
    excludedOpNames: fields.excluded_op_names,
    pruningOpTypes: fields.pruning_op_types,
    startStep: fields.start_step,
    endStep: fields.end_step,
    pruningFrequency: fields.pruning_frequency,
    pruningScope: fields.pruning_scope,
    sparsityDecay: fields.sparsity_decay_type,
    minSparsityRatioPerOp: fields.min_sparsity_ratio_per_op,
    maxSparsityRatioPerOp:
      pattern.kind === "group" ? Math.min(pattern.prune / pattern.of, max) : max,
    scoreReduction: fields.criterion_reduce_type,
    lowMemoryUsage: fields.low_memory_usage,
    lockInitSparsity: fields.lock_init_sparsity,
    groupLasso: fields.reg_type === null ? null : fields.reg_coeff,
  };
}

/** Checks between fields (INC: `check_config`). */
function checkRelations(config: PrunerConfig, sources: Sources): Validated<PrunerConfig> {
  const problems: Problem[] = [];
  const report = (key: string, expected: string, got: unknown): void => {
    problems.push({ path: sources.stated(key)?.path ?? key, expected, got: String(got) });
  };
  const { pattern, targetSparsity, startStep, endStep } = config;
  if (endStep < startStep) report("end_step", `at least start_step (${startStep})`, endStep);
  if (pattern.kind === "group" && config.method !== "pattern_lock") {
    const most = pattern.prune / pattern.of;
    if (targetSparsity > most)
      report(
        "target_sparsity",
        `at most ${most}, all that ${formatPattern(pattern)} can prune`,
        targetSparsity,
      );
  }
  const { minSparsityRatioPerOp: min, maxSparsityRatioPerOp: max } = config;
  if (min > max)
    report("min_sparsity_ratio_per_op", `at most max_sparsity_ratio_per_op (${max})`, min);
  return unlessProblems(problems, config);
}

/** Reads one pruner. */
function readPruner(sources: Sources, options: ParseOptions): Validated<PrunerConfig> {
  const pruner = pipe(
    readFields(sources, options),
    map(resolvePruner),
    chain((config) => checkRelations(config, sources)),
  );
  return pipe(
    allOf({
      keys: sources.checkKeys(PRUNER_KEYS, Object.keys(FIELDS), options),
      resume: sources.checkResumeFlag(),
      pruner,
    }),
    map((read) => read.pruner),
  );
}

/** Where the values of each pruner come from. */
function readSources(
  top: Fields,
  { profile = "inc" }: ParseOptions,
): Validated<readonly Sources[]> {
  const locals = "pruning_configs" in top ? top.pruning_configs : [{}];
  if (!Array.isArray(locals) || !locals.every(isFields))
    return refuseValue("pruning_configs", "a list of objects", locals);
  if (locals.length === 0) return right([new Sources(null, top, "", profile)]);
  return right(
    locals.map((local, i) => new Sources(local, top, `pruning_configs[${i}].`, profile)),
  );
}

/** Problems stated once: pruners that share a top-level value share its problem. */
function distinct(problems: readonly Problem[]): readonly Problem[] {
  return uniq<Problem>({ equals: (a, b) => a.path === b.path })(problems);
}

/** Deeply frozen, so that a configuration can be shared. */
function freeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const entry of Object.values(value)) freeze(entry);
    Object.freeze(value);
  }
  return value;
}

/**
 * Reads a pruning configuration in INC's keys: an object whose top level gives defaults and whose
 * `pruning_configs` lists pruners that override them (a pruner's `parameters` override everything), or
 * that list alone. `null` counts as not given. With `pruning_configs` empty or absent there is one pruner.
 *
 * @returns all problems with their paths, or the configuration, frozen.
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
  input: unknown,
  options: ParseOptions = {},
): Either<readonly Problem[], PruningConfig> {
  const { profile = "inc", unknownKeys = "refuse" } = options;
  checkOneOf("profile", profile, ["inc", "strict"]);
  checkOneOf("unknownKeys", unknownKeys, ["refuse", "ignore"]);
  const top = Array.isArray(input) ? { pruning_configs: input } : input;
  if (!isFields(top)) return refuseValue("config", "an object or a list of objects", input);
  return pipe(
    readSources(top, options),
    chain((sources) =>
      allOf({
        keys: checkKeys(top, [...PRUNER_KEYS, "pruning_configs"], "", options),
        pruners: eachOf(sources, (one) => readPruner(one, options)),
      }),
    ),
    mapLeft(distinct),
    map(({ pruners }) => freeze({ pruners })),
  );
}

/**
 * {@link parsePruningConfig} for those who prefer exceptions.
 *
 * @throws InputError with all problems.
 */
export function parsePruningConfigOrThrow(
  input: unknown,
  options: ParseOptions = {},
): PruningConfig {
  return getOrThrow(parsePruningConfig(input, options));
}
