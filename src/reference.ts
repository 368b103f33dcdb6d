/**
 * The specification in code: each stage of pruning as plainly as possible, over ndarray and
 * ndarray-ops. For reading and checking, not for speed; ndarray-ops makes code at run time, so a page
 * whose content-security policy forbids that cannot use this entry.
 */
export type { CaseFiles } from "./conform/case-files.ts";
export type { Difference, StatedValue } from "./conform/difference.ts";
export { type Judgement, judgeStrictMasks } from "./conform/strict-judge.ts";
export {
  readStrictCase,
  type StrictBudget,
  type StrictCase,
  type StrictLayer,
  type StrictVector,
} from "./conform/strict-vector.ts";
export { adjustedShare, type IncBounds } from "./reference/adjust.ts";
export { maskedWeight } from "./reference/apply.ts";
export { blockMaskGradients, blockMaskScores } from "./reference/block-mask.ts";
export { blockScores, expandBlocks } from "./reference/blocks.ts";
export { type Bounds, type Contender, exactCount, exactMasks } from "./reference/budget.ts";
export { type Count, countOf, prunedBlocks } from "./reference/count.ts";
export { expandGroups, groupScores, keptWithinGroups } from "./reference/groups.ts";
export { type IncContender, type IncOutcome, incMasks } from "./reference/inc-budget.ts";
export { exactLassoTerms, lassoTerms, shrunkWeight } from "./reference/lasso.ts";
export { type Layout, layoutOf } from "./reference/layout.ts";
export { lockedMask } from "./reference/lock.ts";
export {
  inWeightOrder,
  type MaskMatrix,
  type Matrix,
  weightMatrix,
} from "./reference/matrix.ts";
export {
  pruneOnceReference,
  type ReferenceLayer,
  type ReferenceOptions,
} from "./reference/once.ts";
export type { PlanOptions } from "./reference/plan.ts";
export { type Change, interpolatedMasks, partsOf } from "./reference/progressive.ts";
export { rearrangedBlocks } from "./reference/rearrange.ts";
export { Refusal } from "./reference/refusal.ts";
export { bfloat16, float32Sum } from "./reference/rounding.ts";
export {
  plannedPruneSteps,
  pruneStepsOf,
  scheduledTarget,
  targetOf,
} from "./reference/schedule.ts";
export { accumulatedScores, elementScores } from "./reference/score.ts";
export { selectedLayers } from "./reference/select.ts";
export type { ReferencePruner, ReferenceState, Weights } from "./reference/state.ts";
export { blocksPruned, incFigures, type Zeros, zerosAmong } from "./reference/statistics.ts";
export {
  type Moment,
  pruningTrajectory,
  type ReferenceStep,
  startedTrajectory,
  steppedTrajectory,
  type TrajectoryOptions,
} from "./reference/trajectory.ts";
