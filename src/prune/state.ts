/**
 * The state of pruning over time: plain data that can be saved, compared and continued. The pure forms of the hooks
 * never change a state. The `Into` forms consume a live state and change it in place.
 */
import type { PatternPrunerConfig, Profile } from "./config.ts";
import type { BlockLayout } from "./pattern.ts";

/** The state of one layer in one pruner. */
export interface PrunedLayer {
  readonly name: string;
  readonly shape: readonly number[];
  readonly layout: BlockLayout;
  /** 1 = kept, 0 = pruned, in the weight's layout. */
  readonly mask: Uint8Array;
  /**
   * One score per block, row by row. One per element, in the weight's order, for N:M, for a layer that the pattern
   * does not divide, and for a frozen layer if the criterion does not accumulate. `null` before the first scores,
   * and for a layer without a block mask if the criterion scores block masks.
   */
  readonly scores: Float32Array | null;
  /** Whether a per-layer bound has fixed the mask (INC: `keep_mask_layers`). */
  readonly frozen: boolean;
  /** Group lasso: the share by which each block shrinks, from the latest gradient (`inc`) or weight (`strict`). */
  readonly lassoTerms: Float32Array | null;
  /** retrain_free: the gradients of the block mask, one array per scored step. The arrays never change. */
  readonly collected: readonly Float32Array[];
  /** Progressive pruning: the mask before the last prune step. */
  readonly previousMask: Uint8Array | null;
  /** Progressive pruning: the interpolated mask, which is applied to the weight. */
  readonly progressiveMask: Uint8Array | null;
}

/** The record of a prune step. */
export interface PruneEvent {
  readonly step: number;
  /** The target of the schedule. */
  readonly targetRatio: number;
  /** Whether there were scores. `gradient` and `snip` have none before the first gradient. */
  readonly scored: boolean;
  /** Pruned blocks and all blocks after the step, as the profile counts them. */
  readonly prunedBlocks: number;
  readonly totalBlocks: number;
}

/** The state of one pruner. */
export interface PrunerState {
  readonly config: PatternPrunerConfig;
  readonly layers: readonly PrunedLayer[];
  /** Completed steps (INC: `global_step`). */
  readonly step: number;
  /** The last step for which masks were updated. -1 before the first. */
  readonly handledStep: number;
  /** Completed and planned prune steps. The decay of the target depends on their quotient. */
  readonly completedPruneSteps: number;
  readonly totalPruneSteps: number;
  /** With `lockInitSparsity`, the sparsity at the start step. */
  readonly initialSparsity: number;
  readonly currentSparsity: number;
  /** Progressive pruning: whether masks are interpolated, and the prune step that began it. */
  readonly interpolating: boolean;
  readonly lastPruneStep: number;
  /** Progressive pruning: whether the full masks were applied after the end step. */
  readonly aligned: boolean;
  /** The latest prune step. */
  readonly lastEvent: PruneEvent | null;
}

/** The state of all pruners. `version` changes with the format. */
export interface PruningState {
  readonly version: 1;
  readonly profile: Profile;
  readonly pruners: readonly PrunerState[];
}

/** A layer of a live state. The `Into` forms replace these fields, and change masks and terms in place. */
export interface LiveLayer extends PrunedLayer {
  scores: Float32Array | null;
  frozen: boolean;
  collected: readonly Float32Array[];
}

/** A pruner of a live state. */
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

/** A state that the `Into` forms change in place. Use only the state that they return. */
export interface LivePruningState extends PruningState {
  readonly pruners: readonly LivePruner[];
}

/** The layers of all pruners, in order. */
export function ownedLayers({ pruners }: PruningState): readonly PrunedLayer[] {
  return pruners.flatMap(({ layers }) => layers);
}
