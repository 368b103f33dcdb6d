/**
 * The pruning state during training: plain data that can be saved, compared and resumed. The pure forms of the hooks
 * never change a state. The `Into` forms consume a live state and change it in place.
 */
import { checkObject, checkRecords } from "../core/checks.ts";
import type { PatternPrunerConfig, Profile } from "./config.ts";
import type { BlockLayout } from "./pattern.ts";

/** The state of one layer in one pruner. */
export interface PrunedLayer {
  readonly name: string;
  readonly shape: readonly number[];
  readonly layout: BlockLayout;
  /** 1 for each kept and 0 for each pruned element, in the weight's layout. */
  readonly mask: Uint8Array;
  /**
   * One score per block in row-major order, or one score per element in the weight's order. Elements are scored for N:M
   * patterns, in a layer that does not divide evenly into blocks, and in a frozen layer if the criterion does not
   * accumulate scores. `null` before the first scores are computed, and for a layer without a block mask if the
   * criterion scores block masks.
   */
  readonly scores: Float32Array | null;
  /** Whether a per-layer bound has fixed the mask (INC: `keep_mask_layers`). */
  readonly frozen: boolean;
  /**
   * Group lasso: the share by which each block shrinks, computed from the latest gradient (`inc`) or weight (`strict`).
   */
  readonly lassoTerms: Float32Array | null;
  /**
   * For the criterion `retrain_free`, the gradients of the block mask, one array per scored step. The arrays never
   * change.
   */
  readonly collected: readonly Float32Array[];
  /** Progressive pruning: the mask before the latest prune step. */
  readonly previousMask: Uint8Array | null;
  /** Progressive pruning: the interpolated mask, which is applied to the weight. */
  readonly progressiveMask: Uint8Array | null;
}

/** The record of a prune step. */
export interface PruneEvent {
  readonly step: number;
  /** The target ratio of the prune step. */
  readonly targetRatio: number;
  /** Whether there were scores. The criteria `gradient` and `snip` have none before the first gradient. */
  readonly scored: boolean;
  /** The numbers of pruned blocks and of all blocks after the step, as the profile counts them. */
  readonly prunedBlocks: number;
  readonly totalBlocks: number;
}

/** The state of one pruner. */
export interface PrunerState {
  readonly config: PatternPrunerConfig;
  readonly layers: readonly PrunedLayer[];
  /** The number of completed steps (INC: `global_step`). */
  readonly step: number;
  /** The latest step that has begun; beginning it again has no effect. -1 before the first step. */
  readonly handledStep: number;
  /** The numbers of completed and of planned prune steps. The schedule's target ratio depends on their quotient. */
  readonly completedPruneSteps: number;
  readonly totalPruneSteps: number;
  /** With `lockInitSparsity`, the sparsity at the start step. Otherwise 0. */
  readonly initialSparsity: number;
  readonly currentSparsity: number;
  /**
   * Progressive pruning: whether masks are interpolated, and the prune step from which the current interpolation
   * started.
   */
  readonly interpolating: boolean;
  readonly lastPruneStep: number;
  /** Progressive pruning: whether the full masks were applied after the end step. */
  readonly aligned: boolean;
  /** The record of the latest prune step, `null` before the first. */
  readonly lastEvent: PruneEvent | null;
}

/** The state of all pruners. `version` is the version of this format. */
export interface PruningState {
  readonly version: 1;
  readonly profile: Profile;
  readonly pruners: readonly PrunerState[];
}

/**
 * A layer in a live state. The `Into` forms replace the fields listed here, and change masks and lasso terms in place.
 */
export interface LiveLayer extends PrunedLayer {
  scores: Float32Array | null;
  frozen: boolean;
  collected: readonly Float32Array[];
}

/** A pruner in a live state. */
export interface LivePruner extends PrunerState {
  readonly layers: readonly LiveLayer[];
  step: number;
  handledStep: number;
  completedPruneSteps: number;
  initialSparsity: number;
  currentSparsity: number;
  lastPruneStep: number;
  aligned: boolean;
  lastEvent: PruneEvent | null;
}

/** A state that the `Into` forms change in place. After each call, use only the state that it returned. */
export interface LivePruningState extends PruningState {
  readonly pruners: readonly LivePruner[];
}

/** The layers of all pruners, in the order of the pruners. */
export function ownedLayers({ pruners }: PruningState): readonly PrunedLayer[] {
  return pruners.flatMap(({ layers }) => layers);
}

/** Checks that a value has the form of a state. */
export function checkState(state: PruningState): void {
  checkObject("state", state, "profile", "pruners");
  checkRecords("state.pruners", state.pruners, "config", "layers");
  for (const { layers } of state.pruners) checkRecords("state: layers", layers, "name", "mask");
}
