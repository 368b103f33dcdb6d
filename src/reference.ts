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
export type { View } from "./core/view.ts";
export { maskedWeight } from "./reference/apply.ts";
export { blockScores, expandBlocks } from "./reference/blocks.ts";
export { type Bounds, blockMasks, boundedMasks } from "./reference/budget.ts";
export { expandGroups, groupScores, keptWithinGroups } from "./reference/groups.ts";
export {
  type MaskMatrix,
  type Matrix,
  maskInWeightOrder,
  weightMatrix,
} from "./reference/matrix.ts";
export {
  pruneOnceReference,
  type ReferenceLayer,
  type ReferenceOptions,
} from "./reference/once.ts";
export { scheduledTarget } from "./reference/schedule.ts";
export { elementScores, momentumScores } from "./reference/score.ts";
