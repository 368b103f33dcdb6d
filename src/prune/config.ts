/** Pruning configurations: as a user writes them, in INC's keys, and as the parser resolves them. */
import type { Criterion, ElementCriterion } from "./criteria.ts";
import type { HeadPattern, Pattern, PatternSpelling } from "./pattern.ts";

/** Whether layers compete for the budget (`global`) or each has its own (`local`). */
export type PruningScope = "global" | "local";

/** How the target grows over the prune steps. */
export type SparsityDecay = "exp" | "cos" | "linear" | "cube";

/** How a block's element scores become one. */
export type ScoreReduction = "mean" | "sum" | "max";

/** `inc`: what INC v3.7.1 does, quirks included. `strict`: what its documentation promises. */
export type Profile = "inc" | "strict";

/** One pruner: which layers, which pattern, which schedule. */
export interface PrunerConfig {
  /**
   * `basic` replaces masks at prune steps; `progressive` changes them in parts; `pattern_lock` reads them off the
   * weights.
   */
  readonly method: "basic" | "progressive" | "pattern_lock";
  readonly criterion: Criterion;
  readonly pattern: Pattern | HeadPattern;
  /** Final share of pruned blocks, in [0, 1). */
  readonly targetSparsity: number;
  /** Regular expressions searched in layer names. Under `inc` layers follow this list's order. Empty: all. */
  readonly opNames: readonly string[];
  /** Regular expressions of layer names to leave alone. */
  readonly excludedOpNames: readonly string[];
  /** Parts of PyTorch class names (`Linear`, `Conv1d`, `Conv2d`, `Embedding`). */
  readonly pruningOpTypes: readonly string[];
  /** First step at which the schedule runs, counted from 0. */
  readonly startStep: number;
  /** Last step at which it may run. Equal to `startStep`: one-shot. */
  readonly endStep: number;
  /** Steps between two prune steps. */
  readonly pruningFrequency: number;
  readonly pruningScope: PruningScope;
  readonly sparsityDecay: SparsityDecay;
  /** Bounds on a single layer's share of pruned blocks (elements for N:M). */
  readonly minSparsityRatioPerOp: number;
  readonly maxSparsityRatioPerOp: number;
  readonly scoreReduction: ScoreReduction;
  /** Keep scores rounded to bfloat16. */
  readonly lowMemoryUsage: boolean;
  /** Start from the zeros already in the weights at `startStep`. */
  readonly lockInitSparsity: boolean;
  /** Group lasso coefficient, or `null` without the regulariser. */
  readonly groupLasso: number | null;
}

/** A pruner whose pattern can be laid on layers. */
export type PatternPrunerConfig = PrunerConfig & { readonly pattern: Pattern };

/** Items in one group, or each in its own: what shares a budget. */
export function grouped<T>(together: boolean, items: readonly T[]): readonly (readonly T[])[] {
  return together ? [items] : items.map((item) => [item]);
}

/** A list of pruners that share one model. */
export interface PruningConfig {
  readonly pruners: readonly PrunerConfig[];
}

/** Values of `pruning_type`: a criterion, which may be progressive, or another method. */
export type PruningType =
  | Criterion
  | `${ElementCriterion}_progressive`
  | "pattern_lock"
  | "basic"
  | (string & {});

/** One pruner in INC's keys. `null` counts as not given. */
export interface PrunerInput {
  /** Share of blocks to prune, of elements for N:M. Default 0.9. */
  readonly target_sparsity?: number | null;
  /** Default `snip_momentum`. */
  readonly pruning_type?: PruningType | null;
  /** Default `4x1`. */
  readonly pattern?: PatternSpelling | null;
  /** Regular expressions searched in layer names. Default: all layers. */
  readonly op_names?: readonly string[] | null;
  readonly excluded_op_names?: readonly string[] | null;
  /** Parts of PyTorch class names. Default `Conv`, `Linear`. */
  readonly pruning_op_types?: readonly string[] | null;
  /** First and last step at which prune steps may come. Default 0. */
  readonly start_step?: number | null;
  readonly end_step?: number | null;
  /** Steps between two prune steps. Default 1. */
  readonly pruning_frequency?: number | null;
  /** Default `global`. */
  readonly pruning_scope?: PruningScope | null;
  /** Default `exp`. */
  readonly sparsity_decay_type?: SparsityDecay | null;
  /** Bounds on one layer's share. Default 0 and 0.98, for N:M at most N / M. */
  readonly min_sparsity_ratio_per_op?: number | null;
  readonly max_sparsity_ratio_per_op?: number | null;
  /** The criterion of `basic` and `pattern_lock`. Default `snip_momentum`. */
  readonly criterion_type?: ElementCriterion | null;
  /** Default `mean`. */
  readonly criterion_reduce_type?: ScoreReduction | null;
  /** Keep scores rounded to bfloat16. Default false. */
  readonly low_memory_usage?: boolean | null;
  /** Start from the zeros that are in the weights at `start_step`. Default false. */
  readonly lock_init_sparsity?: boolean | null;
  /** Default: no regulariser. */
  readonly reg_type?: "group_lasso" | null;
  /** Coefficient of the regulariser. Default 0. */
  readonly reg_coeff?: number | string | null;
  /** Overrides all other keys. */
  readonly parameters?: Omit<PrunerInput, "parameters"> | null;
}

/** A configuration in INC's keys: defaults, and pruners that override them. None listed: the defaults are the pruner. */
export interface PruningConfigInput extends PrunerInput {
  readonly pruning_configs?: readonly PrunerInput[];
}
