/**
 * The state of pruning over time: plain data, so that it can be saved, compared and resumed.
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
   * One score per block, row by row; one per element, in the weight's order, for N:M, for a layer the
   * pattern does not divide, and for a frozen layer under a criterion without memory. `null` until the
   * criterion has made its first scores, and for a layer that has no block mask under criteria of those.
   */
  readonly scores: Float32Array | null;
  /** The mask was set by a per-layer bound and is kept from then on (INC: `keep_mask_layers`). */
  readonly frozen: boolean;
  /** Group lasso: the shrinkage factor of each block, from the latest gradient (`inc`) or weights (`strict`). */
  readonly lassoTerms: Float32Array | null;
  /** retrain_free: the block masks' gradients of every scored step. Entries are never changed. */
  readonly collected: readonly Float32Array[];
  /** Progressive pruning: the mask before the last prune step. */
  readonly previousMask: Uint8Array | null;
  /** Progressive pruning: the interpolated mask that is applied to the weight. */
  readonly progressiveMask: Uint8Array | null;
}

/** One prune step as it was carried out. */
export interface PruneEvent {
  readonly step: number;
  /** Share asked for by the schedule. */
  readonly targetRatio: number;
  /** Whether there were scores to go by. gradient and snip have none before their first gradient. */
  readonly scored: boolean;
  /** Pruned blocks and all blocks afterwards, as the profile counts them. */
  readonly prunedBlocks: number;
  readonly totalBlocks: number;
}

/** One pruner's part of the state. */
export interface PrunerState {
  readonly config: PatternPrunerConfig;
  readonly layers: readonly PrunedLayer[];
  /** Steps completed (INC: `global_step`). */
  readonly step: number;
  /** The step for which masks were last updated, -1 at first. */
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

/** The layers of all pruners, one after the other. */
export function ownedLayers({ pruners }: PruningState): readonly PrunedLayer[] {
  return pruners.flatMap(({ layers }) => layers);
}

/** A part of the state as the `Into` forms see it: theirs to change. */
export type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
