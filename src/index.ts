/**
 * The pruning core: configurations, one-shot pruning, the reducer over training steps, and statistics. It is pure and
 * synchronous, and uses no WebAssembly, no file system and no code generated at run time.
 *
 * @module espalier
 */

export { type Either, formatProblem, getOrThrow, InputError, type Problem } from "./core/either.ts";
export type { PruningKernels } from "./core/pruning-kernels.ts";
export { applyMaskInto } from "./prune/apply.ts";
export type { Profile, PrunerConfig, PruningConfig, PruningConfigInput } from "./prune/config.ts";
export type { Criterion, ElementCriterion } from "./prune/criteria.ts";
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
export { type PruneOnceOptions, type PruneOnceResult, pruneOnce } from "./prune/once.ts";
export {
  type ParseOptions,
  parsePruningConfig,
  parsePruningConfigOrThrow,
} from "./prune/parse.ts";
export { formatPattern, type Pattern, parsePattern } from "./prune/pattern.ts";
export type { SkippedLayer } from "./prune/select.ts";
export type {
  LivePruningState,
  PrunedLayer,
  PruneEvent,
  PrunerState,
  PruningState,
} from "./prune/state.ts";
export { type Share, type SparsityStatistics, sparsityStatistics } from "./prune/statistics.ts";
