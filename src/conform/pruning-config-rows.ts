/** Rows of config_defaults.json, config_errors.json, config_sequences.json and valid_pruning_types.json. */
import { InputError } from "../core/either.ts";
import type { PrunerConfig } from "../prune/config.ts";
import { initialisePruning } from "../prune/initialise.ts";
import { elementCount, type LayerRecord, PruningError } from "../prune/layer.ts";
import { parsePruningConfigOrThrow, pruningTypeOf } from "../prune/parse.ts";
import { formatPattern, parsePattern } from "../prune/pattern.ts";
import { type JsonObject, objectAt, objectsAt, textsAt } from "./case-files.ts";
import { type Difference, differenceAt, exactDifference } from "./difference.ts";
import type { Finding } from "./verdict.ts";

/** INC warns of unknown keys and goes on, and takes text for a list of names. */
const AS_INC = { unknownKeys: "ignore", profile: "inc" } as const;

/** What a configuration resolves to, in INC's keys. */
function resolvedFields(config: PrunerConfig): Readonly<Record<string, unknown>> {
  return {
    pruning_type: pruningTypeOf(config),
    pattern: formatPattern(config.pattern),
    target_sparsity: config.targetSparsity,
    op_names: config.opNames,
    excluded_op_names: config.excludedOpNames,
    pruning_op_types: config.pruningOpTypes,
    start_step: config.startStep,
    end_step: config.endStep,
    pruning_frequency: config.pruningFrequency,
    pruning_scope: config.pruningScope,
    sparsity_decay_type: config.sparsityDecay,
    min_sparsity_ratio_per_op: config.minSparsityRatioPerOp,
    max_sparsity_ratio_per_op: config.maxSparsityRatioPerOp,
    criterion_reduce_type: config.scoreReduction,
    low_memory_usage: config.lowMemoryUsage,
    lock_init_sparsity: config.lockInitSparsity,
    group_lasso: config.groupLasso,
  };
}

/** The same of INC's dictionary. */
export function statedFields(resolved: JsonObject): Readonly<Record<string, unknown>> {
  // Other spellings of a pattern, such as prefixes, resolve to the usual one.
  const pattern = parsePattern(String(resolved.pattern));
  return {
    ...resolved,
    pattern: pattern ? formatPattern(pattern) : resolved.pattern,
    lock_init_sparsity: resolved.lock_init_sparsity ?? false,
    group_lasso: resolved.reg_type === null ? null : resolved.reg_coeff,
  };
}

/** First field in which the pruners differ from what is stated. */
export function prunersDifference(
  expected: readonly Readonly<Record<string, unknown>>[],
  pruners: readonly PrunerConfig[],
): Difference | undefined {
  if (expected.length !== pruners.length)
    return differenceAt("pruners", expected.length, pruners.length);
  for (const [i, pruner] of pruners.entries()) {
    for (const [key, got] of Object.entries(resolvedFields(pruner))) {
      if (!(key in (expected[i] ?? {}))) continue;
      const want = expected[i]?.[key];
      if (JSON.stringify(want) !== JSON.stringify(got))
        return differenceAt(`pruners[${i}].${key}`, JSON.stringify(want), JSON.stringify(got));
    }
  }
  return undefined;
}

/** Runs `attempt`; the typed refusal it ended in, or `undefined`. */
function refusalOf(attempt: () => void): InputError | PruningError | undefined {
  try {
    attempt();
  } catch (error) {
    if (error instanceof InputError || error instanceof PruningError) return error;
    throw error;
  }
  return undefined;
}

/** Defaults and overriding rules. */
export function configurationRow(row: JsonObject): Difference | undefined {
  const config = objectAt(row, "config");
  if ("error" in row) {
    const refusal = refusalOf(() => parsePruningConfigOrThrow(config, AS_INC));
    return refusal ? undefined : differenceAt("outcome", "a refusal", "none");
  }
  return prunersDifference(
    objectsAt(row, "resolved").map(statedFields),
    parsePruningConfigOrThrow(config, AS_INC).pruners,
  );
}

/** The encoder layer that INC was given these configurations with. */
function encoderLayer(): LayerRecord[] {
  const prefix = "bert.encoder.layer.0";
  const shapes: readonly (readonly [string, readonly [number, number]])[] = [
    [`${prefix}.attention.self.query`, [8, 8]],
    [`${prefix}.attention.self.key`, [8, 8]],
    [`${prefix}.attention.self.value`, [8, 8]],
    [`${prefix}.attention.output.dense`, [8, 8]],
    [`${prefix}.intermediate.dense`, [16, 8]],
    [`${prefix}.output.dense`, [8, 16]],
    ["classifier", [2, 8]],
  ];
  return shapes.map(([name, shape]) => ({
    name,
    kind: "linear",
    shape,
    data: new Float32Array(elementCount(shape)),
  }));
}

/** Settings that INC takes in and breaks on at the first prune step; refused at once. */
function breaksLater(refusal: InputError | PruningError): boolean {
  if (refusal instanceof PruningError) return refusal.code === "indivisible-shape";
  return refusal.problems.every(({ path }) => path.endsWith("sparsity_decay_type"));
}

function hasError(row: JsonObject, key: string): boolean {
  const outcome = row[key];
  return typeof outcome === "object" && outcome !== null && "type" in outcome;
}

/** Accepted or refused, and which layers a pruner takes. */
export function configErrorRow(row: JsonObject): Finding {
  let selected: readonly (readonly string[])[] = [];
  const refusal = refusalOf(() => {
    const config = parsePruningConfigOrThrow(row.config, AS_INC);
    const { pruners } = initialisePruning(config, encoderLayer(), { allowNothing: true });
    selected = pruners.map(({ layers }) => layers.map(({ name }) => name));
  });
  if (hasError(row, "process_config") || hasError(row, "prepare_compression"))
    return refusal ? undefined : differenceAt("outcome", "a refusal", "none");
  if (refusal)
    return breaksLater(refusal)
      ? { acceptable: "refused at once, where the original breaks at its first prune step" }
      : differenceAt("outcome", "no refusal", refusal.message);
  if (!("pruners" in row)) return undefined;
  const expected = objectsAt(row, "pruners").map((pruner) => textsAt(pruner, "layers").join(" "));
  return exactDifference(
    "layers of pruner",
    expected,
    selected.map((names) => names.join(" ")),
  );
}

/** What the table notes of a pruner, where it is no list that grows with every configuration. */
function recordedPruner(row: JsonObject): readonly Readonly<Record<string, unknown>>[] {
  return objectsAt(row, "pruners").map(({ op_names: _, excluded_op_names: __, ...own }) => own);
}

/**
 * A configuration read after others in one process. INC hands the first one's values on through shared
 * defaults; here each stands for itself, so it must resolve to what it states. Where INC's record is an
 * earlier row's, the difference is acceptable.
 */
export function configSequenceRow(row: JsonObject, table: JsonObject): Finding {
  const stated = objectAt(row, "kwargs");
  const locals = "pruning_configs" in stated ? objectsAt(stated, "pruning_configs") : [{}];
  const { pruning_configs: _, ...top } = stated;
  const { pruners } = parsePruningConfigOrThrow(stated, AS_INC);
  const statedDifference = prunersDifference(
    locals.map((local) => ({ ...top, ...local })),
    pruners,
  );
  if (statedDifference !== undefined) return statedDifference;
  const difference = prunersDifference(recordedPruner(row), pruners);
  const rows = objectsAt(table, "rows");
  const earlier = rows.slice(0, rows.indexOf(row)).map(recordedPruner);
  const handedOn = earlier.some(
    (one) => JSON.stringify(one) === JSON.stringify(recordedPruner(row)),
  );
  return difference && handedOn
    ? {
        acceptable: "its own values, where the original hands on those of an earlier configuration",
      }
    : difference;
}

/** A pruning type that INC knows. */
export function pruningTypeRow(type: string): Difference | undefined {
  const config = parsePruningConfigOrThrow({ pruning_type: type, end_step: 0 });
  return exactDifference("pruners", [1], [config.pruners.length]);
}
