/**
 * The state of pruning over time: plain data, so that it can be saved, compared and resumed.
 */
import type { Profile, PrunerConfig } from "./config.ts";
import type { BlockLayout } from "./pattern.ts";

/** A selected layer as one pruner sees it. */
export interface PrunedLayer {
  readonly name: string;
  readonly shape: readonly number[];
  readonly layout: BlockLayout;
  /** 1 = kept, 0 = pruned; in the weight's layout. */
  readonly mask: Uint8Array;
  /**
   * One score per block, row by row; per element (in matrix order for a block pattern) for N:M and where a layer is
   * frozen under a criterion without memory. `null` until the criterion has made its first scores.
   */
  readonly scores: Float32Array | null;
  /** The mask was set by a per-layer bound and is kept from then on (INC: `keep_mask_layers`). */
  readonly frozen: boolean;
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
  /** Pruned blocks and all blocks afterwards, as INC counts them. */
  readonly prunedBlocks: number;
  readonly totalBlocks: number;
}

/** One pruner's part of the state. */
export interface PrunerState {
  readonly config: PrunerConfig;
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
