/**
 * The two profiles: `inc` reproduces INC v3.7.1 with its quirks, `strict` the behaviour that INC documents. These
 * records contain all differences between them after the configuration is read.
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
  /** Whether the decay starts from the sparsity found at the start step. */
  readonly startsFromInitial: boolean;
  /** Number of parts of a change, even if there are too few steps for all of them. */
  readonly parts: (plan: ProgressivePlan) => number;
  /** Steps from one part to the next. */
  readonly interval: (plan: ProgressivePlan, pruningFrequency: number) => number;
  /** The step from which intervals are counted. */
  readonly origin: (pruner: PrunerState) => number;
  /** Whether changed elements of all layers are ranked together. */
  readonly ranksTogether: (config: PatternPrunerConfig) => boolean;
  readonly interpolateMasksInto: InterpolateMasksInto;
  /** Whether the full masks stay after the end step. Otherwise they are applied once. */
  readonly completes: boolean;
}

/** The rules of a profile. */
export interface ProfileRules {
  readonly selection: SelectionRule;
  /** Whether a layer has a block mask, for criteria that score block masks. */
  readonly hasBlockMask: (layer: LayerShape) => boolean;
  /** Whether block masks are initialised from the zeros of the weights. */
  readonly readsBlockMasks: boolean;
  /** Whether excluding the classifier head is an error if there is none. */
  readonly needsHead: boolean;
  readonly checkSchedule: typeof checkSchedule;
  /** Whether layers that the pattern does not divide belong to the pruner. */
  readonly keepsIndivisible: boolean;
  readonly breaksOnIndivisible: (
    config: PatternPrunerConfig,
    layers: readonly LaidOutLayer[],
    indivisible: "refuse" | "skip",
  ) => boolean;
  readonly checkRoom: typeof checkRoom;
  readonly targetRatio: typeof exactTargetRatio;
  /** The number of blocks in a share. */
  readonly budget: (blocks: number, share: number) => number;
  readonly planMasks: PlanMasks;
  /** The most elements that a pruned block keeps. */
  readonly keptLimit: (pattern: Pattern) => number;
  readonly lockMaskInto: typeof lockMaskInto;
  /** Whether interpolated masks contain locked zeros at once. */
  readonly locksAtOnce: boolean;
  readonly progressive: ProgressiveRules;
  /** The terms of group lasso: from gradients before the optimizer step, or from weights after it. */
  readonly lassoFromGradientsInto: typeof lassoTermsInto | null;
  readonly lassoFromWeightsInto: typeof lassoTermsInto | null;
  /** Retrain-free: whether pruned blocks stay pruned when masks are rearranged. */
  readonly settlesBlocks: boolean;
  readonly checkRearranging: typeof checkRearranging;
  /** Retrain-free: whether weights are masked at the end of a step. */
  readonly masksRearranged: (step: number, endStep: number) => boolean;
}

function nothing(): void {}

/** Refuses masks that INC cannot rearrange. It fails on a single gradient, and makes a mask of one column square. */
function checkRearranging({ name, collected, layout }: PrunedLayer): void {
  if (collected.length > 1 && blockCount(layout) > 1 && layout.blockColumns > 1) return;
  refuseCombination(
    name,
    "gradients of at least two steps and a mask of one row of at least two blocks to rearrange",
    `${collected.length} of a mask [${layout.blockRows}, ${layout.blockColumns}]`,
    name,
  );
}

/** Every profile by its name. */
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
      // If prune steps are frequent, INC makes fewer parts.
      interval: ({ interval }) => interval,
      // INC counts from the start step, which need not be a multiple of intervals before a prune step.
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
