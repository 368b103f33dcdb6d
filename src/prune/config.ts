/**
 * Pruning configurations. The parser (INC's keys, defaults and overriding rules) is in parse.ts.
 */
import type { Criterion } from "./criteria.ts";
import type { HeadPattern, Pattern } from "./pattern.ts";

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
  /** Regular expressions searched in layer names; layers follow this list's order. Empty: all. */
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

/** A list of pruners that share one model. */
export interface PruningConfig {
  readonly pruners: readonly PrunerConfig[];
}
