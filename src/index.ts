/**
 * The pruning core: configuration, selection, the reducer over training steps, one-shot pruning,
 * statistics, and the single stages for those who build on them. Pure and synchronous: no WASM, no
 * file system, no generated code.
 */
export { type Either, formatProblem, getOrThrow, InputError, type Problem } from "./core/either.ts";
export type { PruningKernels } from "./core/pruning-kernels.ts";
export { cos, pow } from "./core/real.ts";
export {
  isRowMajor,
  permuteAxes,
  rowMajorStrides,
  toRowMajor,
  type View,
  viewOf,
} from "./core/view.ts";
export { blockMaskGradients } from "./prune/block-mask.ts";
export {
  adjustRatio,
  type BlockCount,
  type BudgetBounds,
  type Candidate,
  type Decision,
  type LayerPlan,
  planBudget,
  thresholdForRatio,
} from "./prune/budget.ts";
export type {
  PatternPrunerConfig,
  Profile,
  PrunerConfig,
  PruningConfig,
  PruningScope,
  ScoreReduction,
  SparsityDecay,
} from "./prune/config.ts";
export type { BlockCriterion, Criterion, ElementCriterion } from "./prune/criteria.ts";
export { type ExactCandidate, exactCount, planExactBudget } from "./prune/exact.ts";
export {
  copyPruningState,
  createPruningScratch,
  onAfterOptimizerStep,
  onAfterOptimizerStepInto,
  onBeforeOptimizerStep,
  onBeforeOptimizerStepInto,
  onStepBegin,
  onStepBeginInto,
  type PruningResult,
  type PruningScratch,
} from "./prune/hooks.ts";
export { type InitialiseOptions, initialisePruning } from "./prune/initialise.ts";
export {
  type LayerKind,
  type LayerRecord,
  PruningError,
  type PruningErrorCode,
} from "./prune/layer.ts";
export { applyMaskInto, countBlocks, countZeros } from "./prune/mask.ts";
export { type PruneOnceOptions, type PruneOnceResult, pruneOnce } from "./prune/once.ts";
export {
  type ParseOptions,
  parsePruningConfig,
  parsePruningConfigOrThrow,
} from "./prune/parse.ts";
export {
  type BlockLayout,
  blockCount,
  formatPattern,
  type HeadPattern,
  layOut,
  type Pattern,
  parsePattern,
} from "./prune/pattern.ts";
export { type ProgressivePlan, planProgressive } from "./prune/progressive.ts";
export {
  isOneShot,
  isPruneStep,
  planPruneSteps,
  pruneSteps,
  type ScheduleConfig,
  targetRatio,
} from "./prune/schedule.ts";
export { reduceBlocks } from "./prune/score.ts";
export { findClassifierHead, type Selection, selectLayers } from "./prune/select.ts";
export type { PrunedLayer, PruneEvent, PrunerState, PruningState } from "./prune/state.ts";
export {
  type IncSparsity,
  type PrunerSparsity,
  type Share,
  type SparsityStatistics,
  sparsityStatistics,
} from "./prune/statistics.ts";
export { createSelectionScratch, kthSmallest, type SelectionScratch } from "./prune/threshold.ts";
