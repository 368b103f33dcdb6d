/** Types of pruning configurations, both as users write them, with INC's keys, and as the parser returns them. */
import type { Criterion, ElementCriterion } from "./criteria.ts";
import type { HeadPattern, Pattern, PatternSpelling } from "./pattern.ts";

/** Whether all layers compete for one budget (`global`) or each layer has its own (`local`). */
export type PruningScope = "global" | "local";

/** The curve along which the target ratio grows over the prune steps. */
export type SparsityDecay = "exp" | "cos" | "linear" | "cube";

/** How the scores of a block's elements are reduced to one score. */
export type ScoreReduction = "mean" | "sum" | "max";

/**
 * `inc`: the behaviour of Intel Neural Compressor (INC) v3.7.1 with its quirks. `strict`: the behaviour that INC
 * documents.
 */
export type Profile = "inc" | "strict";

/** The configuration of one pruner: its layers, pattern, criterion and schedule. */
export interface PrunerConfig {
  /**
   * `basic` replaces masks at prune steps, `progressive` changes them in several parts, and `pattern_lock` keeps the
   * zeros that the weights already contain and prunes nothing else.
   */
  readonly method: "basic" | "progressive" | "pattern_lock";
  readonly criterion: Criterion;
  readonly pattern: Pattern | HeadPattern;
  /** The share of blocks (elements for N:M) that are pruned in the end, in [0, 1). */
  readonly targetSparsity: number;
  /**
   * Regular expressions, matched anywhere in a layer's name. An empty list matches all layers. Under `inc`, the layers
   * are in the order of the expressions that they match.
   */
  readonly opNames: readonly string[];
  /** Regular expressions. A layer is skipped if one of them matches anywhere in its name. */
  readonly excludedOpNames: readonly string[];
  /** Substrings of the PyTorch class names of the layers to prune (`Linear`, `Conv1d`, `Conv2d`, `Embedding`). */
  readonly pruningOpTypes: readonly string[];
  /** The first prune step. Steps count from 0. */
  readonly startStep: number;
  /** The last step that may be a prune step. If it equals `startStep`, pruning is one-shot. */
  readonly endStep: number;
  /** The number of steps from one prune step to the next. */
  readonly pruningFrequency: number;
  readonly pruningScope: PruningScope;
  readonly sparsityDecay: SparsityDecay;
  /** The smallest and the largest share of blocks (elements for N:M) that may be pruned in a single layer. */
  readonly minSparsityRatioPerOp: number;
  readonly maxSparsityRatioPerOp: number;
  readonly scoreReduction: ScoreReduction;
  /** Whether accumulated scores are rounded to bfloat16. */
  readonly lowMemoryUsage: boolean;
  /** Whether the masks start from the zeros that the weights contain at `startStep`. */
  readonly lockInitSparsity: boolean;
  /** The coefficient of the group lasso regulariser. `null`: no regulariser. */
  readonly groupLasso: number | null;
}

/** The configuration of a pruner whose pattern is not whole attention heads. */
export type PatternPrunerConfig = PrunerConfig & { readonly pattern: Pattern };

/** Puts all items in one group if they share a budget, otherwise each item in a group of its own. */
export function grouped<T>(together: boolean, items: readonly T[]): readonly (readonly T[])[] {
  return together ? [items] : items.map((item) => [item]);
}

/** The configurations of all pruners of a model. */
export interface PruningConfig {
  readonly pruners: readonly PrunerConfig[];
}

/** The values of the key `pruning_type`. */
export type PruningType =
  | Criterion
  | `${ElementCriterion}_progressive`
  | "pattern_lock"
  | "basic"
  | (string & {});

/** The configuration of one pruner, with INC's keys. A key with the value `null` counts as absent. */
export interface PrunerInput {
  /** The share of blocks (elements for N:M) to prune. Default 0.9. */
  readonly target_sparsity?: number | null;
  /** The criterion, the method, or both. Default `snip_momentum`. */
  readonly pruning_type?: PruningType | null;
  /** The shape of the zeros. Default `4x1`. */
  readonly pattern?: PatternSpelling | null;
  /** Regular expressions, matched anywhere in a layer's name. Default: all layers. */
  readonly op_names?: readonly string[] | null;
  readonly excluded_op_names?: readonly string[] | null;
  /** Substrings of the PyTorch class names of the layers to prune. Default `Conv` and `Linear`. */
  readonly pruning_op_types?: readonly string[] | null;
  /** The first and the last step that may be a prune step. Both default to 0. */
  readonly start_step?: number | null;
  readonly end_step?: number | null;
  /** The number of steps from one prune step to the next. Default 1. */
  readonly pruning_frequency?: number | null;
  /** Whether all layers compete for one budget. Default `global`. */
  readonly pruning_scope?: PruningScope | null;
  /** The curve along which the target ratio grows. Default `exp`. */
  readonly sparsity_decay_type?: SparsityDecay | null;
  /**
   * The smallest and the largest share that may be pruned in a single layer. Defaults: 0 and 0.98, limited to N / M for
   * N:M patterns.
   */
  readonly min_sparsity_ratio_per_op?: number | null;
  readonly max_sparsity_ratio_per_op?: number | null;
  /** The criterion if `pruning_type` is `basic` or `pattern_lock`. Default `snip_momentum`. */
  readonly criterion_type?: ElementCriterion | null;
  /** How the scores of a block's elements are reduced to one score. Default `mean`. */
  readonly criterion_reduce_type?: ScoreReduction | null;
  /** Whether accumulated scores are rounded to bfloat16. Default false. */
  readonly low_memory_usage?: boolean | null;
  /** Whether the masks start from the zeros that the weights contain at `start_step`. Default false. */
  readonly lock_init_sparsity?: boolean | null;
  /** The regulariser. Default: none. */
  readonly reg_type?: "group_lasso" | null;
  /** The coefficient of the regulariser. Default 0. */
  readonly reg_coeff?: number | string | null;
  /** Overrides for the values of all other keys. */
  readonly parameters?: Omit<PrunerInput, "parameters"> | null;
}

/**
 * A configuration with INC's keys: default values, and pruners that override them. If no pruners are listed, the
 * default values define a single pruner.
 */
export interface PruningConfigInput extends PrunerInput {
  readonly pruning_configs?: readonly PrunerInput[];
}
