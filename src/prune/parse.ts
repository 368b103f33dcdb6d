/**
 * Reads pruning configurations in INC's keys (INC: `process_weight_config`, `check_config`).
 */
import { describe } from "../core/checks.ts";
import { type Either, getOrThrow, type Problem } from "../core/either.ts";
import type { Criterion, PrunerConfig, PruningConfig } from "./config.ts";
import {
  booleanField,
  choiceField,
  coefficientField,
  expressionsField,
  type FieldReader,
  integerField,
  nearestName,
  numberField,
  patternField,
  stringsField,
  Unreadable,
} from "./fields.ts";
import { formatPattern } from "./pattern.ts";

/** Options of {@link parsePruningConfig}. */
export interface ParseOptions {
  /** INC warns of unknown keys and goes on; so does `ignore`, silently. Default `refuse`. */
  readonly unknownKeys?: "refuse" | "ignore";
}

type Fields = Readonly<Record<string, unknown>>;

const CRITERIA = ["magnitude", "gradient", "snip", "snip_momentum"] as const;

/** What `pruning_type` stands for; `basic` leaves the criterion to `criterion_type`. */
interface PruningType {
  readonly method: PrunerConfig["method"];
  readonly criterion?: Criterion;
}

const PRUNING_TYPES: ReadonlyMap<string, PruningType> = new Map<string, PruningType>([
  ...CRITERIA.flatMap((criterion): [string, PruningType][] => [
    [criterion, { method: "basic", criterion }],
    [`${criterion}_progressive`, { method: "progressive", criterion }],
  ]),
  ["basic", { method: "basic" }],
  ["pattern_lock", { method: "pattern_lock" }],
  ["pattern_lock_progressive", { method: "pattern_lock" }],
]);

/** INC's keys with their defaults and readers. */
const FIELDS = {
  target_sparsity: [0.9, numberField({ min: 0, below: 1 })],
  pruning_type: ["snip_momentum", choiceField([...PRUNING_TYPES.keys()])],
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
  reg_type: [null, choiceField(["group_lasso"])],
  criterion_reduce_type: ["mean", choiceField(["mean", "sum", "max"])],
  reg_coeff: [0, coefficientField],
  lock_init_sparsity: [false, booleanField],
} as const satisfies Record<string, readonly [unknown, FieldReader<unknown>]>;

type FieldName = keyof typeof FIELDS;
type FieldValue<Name extends FieldName> = Exclude<ReturnType<(typeof FIELDS)[Name][1]>, Unreadable>;

/** Accepted and without effect, as in INC. */
const INERT_KEYS = ["resume_from_pruned_checkpoint", "backend"];
const PRUNER_KEYS = [...Object.keys(FIELDS), ...INERT_KEYS, "parameters"];

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Problems with keys that mean nothing. */
function unknownKeyProblems(
  fields: Fields,
  known: readonly string[],
  prefix: string,
  options: ParseOptions,
): Problem[] {
  if (options.unknownKeys === "ignore") return [];
  return Object.keys(fields)
    .filter((key) => !known.includes(key))
    .map((key) => ({
      path: `${prefix}${key}`,
      expected: `a known key; the nearest is ${nearestName(key, known)}`,
      got: "an unknown one",
    }));
}

/** A value and where the configuration states it. */
interface Stated {
  readonly value: unknown;
  readonly path: string;
}

/** Where a pruner's values come from, in INC's order of precedence. */
class Sources {
  readonly local: Fields;
  readonly top: Fields;
  readonly prefix: string;
  readonly isOnly: boolean;

  /** @param local the pruner's own dictionary, or `null` where `pruning_configs` is empty. */
  constructor(local: Fields | null, top: Fields, prefix: string) {
    this.local = local ?? {};
    this.top = top;
    this.prefix = prefix;
    this.isOnly = local === null;
  }

  /** The pruner's own value, else the top level's; `null` counts as not given. */
  private own(key: string): Stated | undefined {
    const local = this.local[key] ?? undefined;
    if (local !== undefined) return { value: local, path: `${this.prefix}${key}` };
    // INC's defaults do not know lock_init_sparsity, so it is not handed down to the pruners.
    if (key === "lock_init_sparsity" && !this.isOnly) return undefined;
    const top = this.top[key] ?? undefined;
    return top === undefined ? undefined : { value: top, path: key };
  }

  /** `parameters` overrides every key; its default overrides reg_coeff with 0. */
  stated(key: string): Stated | undefined {
    const parameters = this.own("parameters");
    if (parameters && isFields(parameters.value) && key in parameters.value)
      return { value: parameters.value[key], path: `${parameters.path}.${key}` };
    return key === "reg_coeff" && parameters === undefined ? undefined : this.own(key);
  }

  problems(options: ParseOptions): Problem[] {
    const parameters = this.own("parameters");
    if (parameters === undefined) return [];
    const { value, path } = parameters;
    if (!isFields(value)) return [{ path, expected: "an object", got: describe(value) }];
    return unknownKeyProblems(value, Object.keys(FIELDS), `${path}.`, options);
  }
}

/** Reads all fields of a pruner; adds what is wrong to `problems`. */
function readFields(
  sources: Sources,
  problems: Problem[],
): { readonly [Name in FieldName]: FieldValue<Name> | null } {
  const read = (Object.keys(FIELDS) as FieldName[]).map((name) => {
    const [fallback, reader] = FIELDS[name];
    const stated = sources.stated(name);
    const value = stated === undefined ? fallback : stated.value;
    if (value === null) return [name, null];
    const result = reader(value);
    if (result instanceof Unreadable) {
      problems.push(result.at(stated?.path ?? name, value));
      return [name, null];
    }
    return [name, result];
  });
  return Object.fromEntries(read);
}

/** Checks between fields (INC: `check_config`). */
function relationProblems(config: PrunerConfig, sources: Sources): Problem[] {
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
  return problems;
}

/** Reads one pruner; `undefined` where that failed, with the reasons in `problems`. */
function readPruner(sources: Sources, problems: Problem[]): PrunerConfig | undefined {
  const found: Problem[] = [];
  const fields = readFields(sources, found);
  problems.push(...found);
  const type = PRUNING_TYPES.get(fields.pruning_type ?? "");
  const { pattern } = fields;
  if (found.length > 0 || type === undefined || pattern === null) return undefined;
  const max = fields.max_sparsity_ratio_per_op ?? 0;
  const config: PrunerConfig = {
    method: type.method,
    criterion: type.criterion ?? fields.criterion_type ?? "snip_momentum",
    pattern,
    targetSparsity: fields.target_sparsity ?? 0,
    opNames: fields.op_names ?? [],
    excludedOpNames: fields.excluded_op_names ?? [],
    pruningOpTypes: fields.pruning_op_types ?? [],
    startStep: fields.start_step ?? 0,
    endStep: fields.end_step ?? 0,
    pruningFrequency: fields.pruning_frequency ?? 1,
    pruningScope: fields.pruning_scope ?? "global",
    sparsityDecay: fields.sparsity_decay_type ?? "exp",
    minSparsityRatioPerOp: fields.min_sparsity_ratio_per_op ?? 0,
    maxSparsityRatioPerOp:
      pattern.kind === "group" ? Math.min(pattern.prune / pattern.of, max) : max,
    scoreReduction: fields.criterion_reduce_type ?? "mean",
    lowMemoryUsage: fields.low_memory_usage ?? false,
    lockInitSparsity: fields.lock_init_sparsity ?? false,
    groupLasso: fields.reg_type === null ? null : (fields.reg_coeff ?? 0),
  };
  problems.push(...relationProblems(config, sources));
  return config;
}

/** Problems stated once: pruners that share a top-level value share its problem. */
function distinct(problems: readonly Problem[]): Problem[] {
  return problems.filter(
    (problem, i) => problems.findIndex(({ path }) => path === problem.path) === i,
  );
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
  const top = Array.isArray(input) ? { pruning_configs: input } : input;
  const fail = (
    path: string,
    expected: string,
    got: unknown,
  ): Either<readonly Problem[], never> => ({
    _tag: "Left",
    left: [{ path, expected, got: describe(got) }],
  });
  if (!isFields(top)) return fail("config", "an object or a list of objects", input);
  const locals = "pruning_configs" in top ? top.pruning_configs : [{}];
  if (!Array.isArray(locals) || !locals.every(isFields))
    return fail("pruning_configs", "a list of objects", locals);

  const sources =
    locals.length === 0
      ? [new Sources(null, top, "")]
      : locals.map((local, i) => new Sources(local, top, `pruning_configs[${i}].`));
  const problems = unknownKeyProblems(top, [...PRUNER_KEYS, "pruning_configs"], "", options);
  const pruners = sources.flatMap((one) => {
    problems.push(...unknownKeyProblems(one.local, PRUNER_KEYS, one.prefix, options));
    problems.push(...one.problems(options));
    return readPruner(one, problems) ?? [];
  });
  if (problems.length > 0) return { _tag: "Left", left: distinct(problems) };
  return { _tag: "Right", right: freeze({ pruners }) };
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
