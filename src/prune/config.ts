/** Types of pruning configurations: as users write them, with INC's keys, and as the parser returns them. */
import type { Criterion, ElementCriterion } from "./criteria.ts";
import type { HeadPattern, Pattern, PatternSpelling } from "./pattern.ts";

/** Whether layers compete for the budget (`global`) or each has its own (`local`). */
export type PruningScope = "global" | "local";

/** How the target grows over the prune steps. */
export type SparsityDecay = "exp" | "cos" | "linear" | "cube";

/** How the element scores of a block become its score. */
export type ScoreReduction = "mean" | "sum" | "max";

/** `inc`: the behaviour of INC v3.7.1 with its quirks. `strict`: the behaviour that INC documents. */
export type Profile = "inc" | "strict";

/** One pruner: its layers, pattern, criterion and schedule. */
export interface PrunerConfig {
  /** `basic` replaces masks at prune steps, `progressive` changes them in parts, `pattern_lock` keeps zero weights. */
  readonly method: "basic" | "progressive" | "pattern_lock";
  readonly criterion: Criterion;
  readonly pattern: Pattern | HeadPattern;
  /** Final share of pruned blocks, in [0, 1). */
  readonly targetSparsity: number;
  /** Regular expressions searched in layer names. Empty: all layers. Under `inc` layers come in this list's order. */
  readonly opNames: readonly string[];
  /** Regular expressions for the names of layers to skip. */
  readonly excludedOpNames: readonly string[];
  /** Parts of PyTorch class names (`Linear`, `Conv1d`, `Conv2d`, `Embedding`). */
  readonly pruningOpTypes: readonly string[];
  /** First prune step, counted from 0. */
  readonly startStep: number;
  /** Last step that may be a prune step. Equal to `startStep`: one-shot. */
  readonly endStep: number;
  /** Steps from one prune step to the next. */
  readonly pruningFrequency: number;
  readonly pruningScope: PruningScope;
  readonly sparsityDecay: SparsityDecay;
  /** Bounds on a single layer's share of pruned blocks (elements for N:M). */
  readonly minSparsityRatioPerOp: number;
  readonly maxSparsityRatioPerOp: number;
  readonly scoreReduction: ScoreReduction;
  /** Keep scores rounded to bfloat16. */
  readonly lowMemoryUsage: boolean;
  /** Start from the zeros that the weights have at `startStep`. */
  readonly lockInitSparsity: boolean;
  /** Coefficient of group lasso. `null`: no regulariser. */
  readonly groupLasso: number | null;
}

/** A pruner with a pattern other than whole attention heads. */
export type PatternPrunerConfig = PrunerConfig & { readonly pattern: Pattern };

/** The items in one group if they share a budget, else each in a group of its own. */
export function grouped<T>(together: boolean, items: readonly T[]): readonly (readonly T[])[] {
  return together ? [items] : items.map((item) => [item]);
}

/** The pruners of one model. */
export interface PruningConfig {
  readonly pruners: readonly PrunerConfig[];
}

/** Values of `pruning_type`. */
export type PruningType =
  | Criterion
  | `${ElementCriterion}_progressive`
  | "pattern_lock"
  | "basic"
  | (string & {});

/** One pruner with INC's keys. `null` counts as not given. */
export interface PrunerInput {
  /** Share of blocks to prune (elements for N:M). Default 0.9. */
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
  /** First and last step that may be a prune step. Default 0. */
  readonly start_step?: number | null;
  readonly end_step?: number | null;
  /** Steps from one prune step to the next. Default 1. */
  readonly pruning_frequency?: number | null;
  /** Default `global`. */
  readonly pruning_scope?: PruningScope | null;
  /** Default `exp`. */
  readonly sparsity_decay_type?: SparsityDecay | null;
  /** Bounds on a single layer's share. Defaults 0 and 0.98, for N:M at most N / M. */
  readonly min_sparsity_ratio_per_op?: number | null;
  readonly max_sparsity_ratio_per_op?: number | null;
  /** The criterion if `pruning_type` is `basic` or `pattern_lock`. Default `snip_momentum`. */
  readonly criterion_type?: ElementCriterion | null;
  /** Default `mean`. */
  readonly criterion_reduce_type?: ScoreReduction | null;
  /** Keep scores rounded to bfloat16. Default false. */
  readonly low_memory_usage?: boolean | null;
  /** Start from the zeros that the weights have at `start_step`. Default false. */
  readonly lock_init_sparsity?: boolean | null;
  /** Default: no regulariser. */
  readonly reg_type?: "group_lasso" | null;
  /** Coefficient of the regulariser. Default 0. */
  readonly reg_coeff?: number | string | null;
  /** Overrides all other keys. */
  readonly parameters?: Omit<PrunerInput, "parameters"> | null;
}

/** A configuration with INC's keys: defaults, and pruners that override them. Without pruners, the defaults are one. */
export interface PruningConfigInput extends PrunerInput {
  readonly pruning_configs?: readonly PrunerInput[];
}
