/** Compares parsed pruning configurations with INC's recorded settings, and catches refusals. */
import { InputError } from "../core/either.ts";
import type { PrunerConfig } from "../prune/config.ts";
import { PruningError } from "../prune/layer.ts";
import { pruningTypeOf } from "../prune/parse.ts";
import { formatPattern, parsePattern } from "../prune/pattern.ts";
import type { Fields, ParseOptions } from "../prune/sources.ts";
import type { JsonObject } from "./case-files.ts";
import { type Difference, differenceAt, firstOf } from "./difference.ts";

/** Options for parsing configurations as INC does. INC only warns about unknown keys. */
export const AS_INC: ParseOptions = { unknownKeys: "ignore", profile: "inc" };

function resolvedFields(config: PrunerConfig): Fields {
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

/** Converts INC's resolved configuration to settings that can be compared with a parsed configuration's. */
export function statedFields(resolved: JsonObject): Fields {
  // A recorded pattern may have a prefix, so it is converted to its canonical spelling.
  const pattern = parsePattern(String(resolved.pattern));
  return {
    ...resolved,
    pattern: pattern ? formatPattern(pattern) : resolved.pattern,
    lock_init_sparsity: resolved.lock_init_sparsity ?? false,
    group_lasso: resolved.reg_type === null ? null : resolved.reg_coeff,
  };
}

/** Returns the first difference between recorded settings and the pruners' settings. Unrecorded fields are skipped. */
export function prunersDifference(
  expected: readonly Fields[],
  pruners: readonly PrunerConfig[],
): Difference | undefined {
  if (expected.length !== pruners.length)
    return differenceAt("pruners", expected.length, pruners.length);
  return firstOf(pruners.entries(), ([i, pruner]) =>
    firstOf(Object.entries(resolvedFields(pruner)), ([key, value]) => {
      if (!(key in (expected[i] ?? {}))) return undefined;
      const want = JSON.stringify(expected[i]?.[key]);
      const got = JSON.stringify(value);
      return want === got ? undefined : differenceAt(`pruners[${i}].${key}`, want, got);
    }),
  );
}

/** Returns the error with which `attempt` refuses a configuration or its layers; undefined if it succeeds. */
export function refusalOf(attempt: () => void): InputError | PruningError | undefined {
  try {
    attempt();
  } catch (error) {
    if (error instanceof InputError || error instanceof PruningError) return error;
    throw error;
  }
  return undefined;
}
