/**
 * The specification of pruning in code: each stage as plainly as possible, with ndarray and ndarray-ops. It is for
 * reading and checking, not for speed. ndarray-ops generates code at run time, so this entry point does not work on a
 * page whose content security policy forbids that.
 *
 * @module espalier/reference
 */

export type { CaseFiles } from "./conform/case-files.ts";
export { type Judgement, judgeStrictMasks } from "./conform/strict-judge.ts";
export { readStrictCase, type StrictCase, type StrictVector } from "./conform/strict-vector.ts";
export { adjustedShare } from "./reference/adjust.ts";
export { exactCount, exactMasks } from "./reference/budget.ts";
export { layoutOf } from "./reference/layout.ts";
export { lockedMask } from "./reference/lock.ts";
export { inWeightOrder, type Matrix, weightMatrix } from "./reference/matrix.ts";
export {
  pruneOnceReference,
  type ReferenceLayer,
  type ReferenceOptions,
} from "./reference/once.ts";
export { interpolatedMasks } from "./reference/progressive.ts";
export { rearrangedBlocks } from "./reference/rearrange.ts";
export { Refusal } from "./reference/refusal.ts";
export { selectedLayers } from "./reference/select.ts";
export {
  type Moment,
  pruningTrajectory,
  type ReferenceStep,
  type TrajectoryOptions,
} from "./reference/trajectory.ts";
