/**
 * The two profiles: `inc` reproduces INC v3.7.1 with its quirks, and `strict` follows the behaviour that INC documents.
 * These records contain all differences between the profiles, except those in how a configuration is read.
 */
import type { PatternPrunerConfig, Profile } from "./config.ts";
import { incKeptLimit, keptLimit } from "./count.ts";
import { exactCount } from "./exact.ts";
import { incLassoTermsInto, lassoTermsInto } from "./lasso.ts";
import { type LayerShape, refuseCombination } from "./layer.ts";
import { incLockMaskInto, lockMaskInto } from "./lock.ts";
import { type PlanMasks, planExactMasks, planIncMasks } from "./mask-plan.ts";
import { blockCount, type LaidOutLayer, type Pattern } from "./pattern.ts";
import {
  type InterpolateMasksInto,
  incInterpolateMasksInto,
  interpolateMasksInto,
  PROGRESSIVE_STEPS,
  type ProgressivePlan,
} from "./progressive.ts";
import { checkRoom, checkSchedule, incBreaksOnIndivisible } from "./refusals.ts";
import { exactTargetRatio, targetRatio } from "./schedule.ts";
import { incSelection, type SelectionRule, selection } from "./select.ts";
import type { PrunedLayer, PrunerState } from "./state.ts";

/** How masks are interpolated between prune steps. */
interface ProgressiveRules {
  /** Whether the target ratio grows from the sparsity found at the start step. Otherwise it grows from 0. */
  readonly startsFromInitial: boolean;
  /** The number of parts into which the new zeros of a prune step are divided. */
  readonly parts: (plan: ProgressivePlan) => number;
  /** The number of steps from one part to the next. */
  readonly interval: (plan: ProgressivePlan, pruningFrequency: number) => number;
  /** The step from which intervals are counted. */
  readonly origin: (pruner: PrunerState) => number;
  /** Whether the changed elements of all layers are ranked together, not layer by layer. */
  readonly ranksTogether: (config: PatternPrunerConfig) => boolean;
  readonly interpolateMasksInto: InterpolateMasksInto;
  /**
   * Whether the full masks replace the interpolated ones after the end step. Otherwise the full masks are applied only
   * once.
   */
  readonly completes: boolean;
}

/** The rules in which the profiles differ. */
export interface ProfileRules {
  readonly selection: SelectionRule;
  /** Whether a layer has a block mask, for criteria that score block masks. */
  readonly hasBlockMask: (layer: LayerShape) => boolean;
  /** Whether block masks are initialised from the zeros in the weights. */
  readonly readsBlockMasks: boolean;
  /** Whether it is an error to ask for the classifier head to be excluded if no layer can be the head. */
  readonly needsHead: boolean;
  readonly checkSchedule: typeof checkSchedule;
  /** Whether a pruner includes layers that do not divide evenly into blocks. They are never pruned. */
  readonly keepsIndivisible: boolean;
  readonly breaksOnIndivisible: (
    config: PatternPrunerConfig,
    layers: readonly LaidOutLayer[],
    indivisible: "refuse" | "skip",
  ) => boolean;
  readonly checkRoom: typeof checkRoom;
  readonly targetRatio: typeof exactTargetRatio;
  /** The number of blocks that a share amounts to, rounded as the profile does. */
  readonly budget: (blocks: number, share: number) => number;
  readonly planMasks: PlanMasks;
  /** The maximum number of elements kept in a block that counts as pruned. */
  readonly keptLimit: (pattern: Pattern) => number;
  readonly lockMaskInto: typeof lockMaskInto;
  /** Whether locked zeros are copied to the interpolated masks immediately, not only at the next prune step. */
  readonly locksAtOnce: boolean;
  readonly progressive: ProgressiveRules;
  /**
   * Computes the terms of group lasso, from gradients before the optimizer step or from weights after it. `null`: the
   * profile does not compute them at that time.
   */
  readonly lassoFromGradientsInto: typeof lassoTermsInto | null;
  readonly lassoFromWeightsInto: typeof lassoTermsInto | null;
  /** For the criterion `retrain_free`, whether pruned blocks stay pruned when masks are rearranged. */
  readonly settlesBlocks: boolean;
  readonly checkRearranging: typeof checkRearranging;
  /** For the criterion `retrain_free`, whether the masks are applied to the weights at the end of a step. */
  readonly masksRearranged: (step: number, endStep: number) => boolean;
}

function nothing(): void {}

/**
 * Refuses masks that INC cannot rearrange: INC fails if there is only one collected gradient, and turns a mask with a
 * single column into a square one.
 */
function checkRearranging({ name, collected, layout }: PrunedLayer): void {
  if (collected.length > 1 && blockCount(layout) > 1 && layout.blockColumns > 1) return;
  refuseCombination(
    name,
    "gradients of at least two steps and a mask of one row of at least two blocks to rearrange",
    `${collected.length} of a mask [${layout.blockRows}, ${layout.blockColumns}]`,
    name,
  );
}

/** The rules of all profiles, by name. */
export const PROFILES: Readonly<Record<Profile, ProfileRules>> = {
  inc: {
    selection: incSelection,
    hasBlockMask: ({ kind }) => kind === "linear",
    readsBlockMasks: true,
    needsHead: true,
    checkSchedule: nothing,
    keepsIndivisible: true,
    breaksOnIndivisible: incBreaksOnIndivisible,
    checkRoom: nothing,
    targetRatio,
    budget: (blocks, share) => Math.trunc(blocks * share),
    planMasks: planIncMasks,
    keptLimit: incKeptLimit,
    lockMaskInto: incLockMaskInto,
    locksAtOnce: false,
    progressive: {
      startsFromInitial: false,
      parts: () => PROGRESSIVE_STEPS,
      // If prune steps are frequent, INC applies only some of the parts.
      interval: ({ interval }) => interval,
      // INC counts from the start step, although a prune step need not be a whole number of intervals after it.
      origin: ({ config }) => config.startStep,
      ranksTogether: () => true,
      interpolateMasksInto: incInterpolateMasksInto,
      completes: false,
    },
    lassoFromGradientsInto: incLassoTermsInto,
    lassoFromWeightsInto: null,
    settlesBlocks: false,
    checkRearranging,
    masksRearranged: (step, endStep) => step === endStep,
  },
  strict: {
    selection,
    hasBlockMask: () => true,
    readsBlockMasks: false,
    needsHead: false,
    checkSchedule,
    keepsIndivisible: false,
    breaksOnIndivisible: (_config, _layers, indivisible) => indivisible === "refuse",
    checkRoom,
    targetRatio: exactTargetRatio,
    budget: exactCount,
    planMasks: planExactMasks,
    keptLimit,
    lockMaskInto,
    locksAtOnce: true,
    progressive: {
      startsFromInitial: true,
      parts: ({ parts }) => parts,
      interval: ({ parts }, frequency) => Math.floor(frequency / parts),
      origin: ({ lastPruneStep }) => lastPruneStep,
      ranksTogether: ({ pruningScope }) => pruningScope === "global",
      interpolateMasksInto,
      completes: true,
    },
    lassoFromGradientsInto: null,
    lassoFromWeightsInto: lassoTermsInto,
    settlesBlocks: true,
    checkRearranging: nothing,
    masksRearranged: (step, endStep) => step >= endStep,
  },
};

/** The names of all profiles. */
export const PROFILE_NAMES: readonly Profile[] = /* @__PURE__ */ Object.keys(PROFILES) as Profile[];
