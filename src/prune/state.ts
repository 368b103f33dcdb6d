/**
 * The state of pruning over time: plain data that can be saved, compared and resumed. The pure forms of the hooks
 * never change a state. The `Into` forms take it over as a live one and change it.
 */
import type { PatternPrunerConfig, Profile } from "./config.ts";
import type { BlockLayout } from "./pattern.ts";

/** A selected layer as one pruner sees it. */
export interface PrunedLayer {
  readonly name: string;
  readonly shape: readonly number[];
  readonly layout: BlockLayout;
  /** 1 = kept, 0 = pruned; in the weight's layout. */
  readonly mask: Uint8Array;
  /**
   * One score per block, row by row. One per element, in the weight's order, for N:M, for a layer that the pattern
   * does not divide, and for a frozen layer if the criterion does not accumulate. `null` before the first scores,
   * and for a layer without block masks if the criterion scores those.
   */
  readonly scores: Float32Array | null;
  /** A per-layer bound has set the mask, which stays from then on (INC: `keep_mask_layers`). */
  readonly frozen: boolean;
  /** Group lasso: each block's factor to shrink by, from the latest gradient (`inc`) or weights (`strict`). */
  readonly lassoTerms: Float32Array | null;
  /** retrain_free: the gradients of the block masks, one array per scored step. Entries never change. */
  readonly collected: readonly Float32Array[];
  /** Progressive pruning: the mask before the last prune step. */
  readonly previousMask: Uint8Array | null;
  /** Progressive pruning: the interpolated mask, which is applied to the weight. */
  readonly progressiveMask: Uint8Array | null;
}

/** One prune step as it was carried out. */
export interface PruneEvent {
  readonly step: number;
  /** Share that the schedule asked for. */
  readonly targetRatio: number;
  /** Whether there were scores. gradient and snip have none before their first gradient. */
  readonly scored: boolean;
  /** Pruned blocks and all blocks afterwards, as the profile counts them. */
  readonly prunedBlocks: number;
  readonly totalBlocks: number;
}

/** One pruner's part of the state. */
export interface PrunerState {
  readonly config: PatternPrunerConfig;
  readonly layers: readonly PrunedLayer[];
  /** Completed steps (INC: `global_step`). */
  readonly step: number;
  /** The step for which masks were last updated; -1 before the first. */
  readonly handledStep: number;
  /** Prune steps done and planned; the next target is the decay at done / planned. */
  readonly completedPruneSteps: number;
  readonly totalPruneSteps: number;
  /** Sparsity found at the start step, with `lockInitSparsity`. */
  readonly initialSparsity: number;
  readonly currentSparsity: number;
  /** Progressive pruning: whether masks are interpolated, and since which prune step. */
  readonly interpolating: boolean;
  readonly lastPruneStep: number;
  /** Progressive pruning: whether the full masks were applied after the end step. */
  readonly aligned: boolean;
  /** The latest prune step. */
  readonly lastEvent: PruneEvent | null;
}

/** The whole state. `version` changes when its meaning does. */
export interface PruningState {
  readonly version: 1;
  readonly profile: Profile;
  readonly pruners: readonly PrunerState[];
}

/** A layer that an `Into` form has taken over: what it replaces. Masks and terms change in place. */
export interface LiveLayer extends PrunedLayer {
  scores: Float32Array | null;
  frozen: boolean;
  collected: readonly Float32Array[];
}

/** A pruner that an `Into` form has taken over. */
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

/** A state that an `Into` form has taken over. Nothing else may use it any more. */
export interface LivePruningState extends PruningState {
  readonly pruners: readonly LivePruner[];
}

/** The layers of all pruners, one after the other. */
export function ownedLayers({ pruners }: PruningState): readonly PrunedLayer[] {
  return pruners.flatMap(({ layers }) => layers);
}
