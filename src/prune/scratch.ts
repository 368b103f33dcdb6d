/** Working memory of pruners: created once for the `Into` forms and reused at every step. */
import type { PruningKernels } from "../core/pruning-kernels.ts";
import type { LayerRecord } from "./layer.ts";
import { plainKernels } from "./plain-kernels.ts";
import { createScoreScratch, type ScoreScratch } from "./reduce.ts";
import type { PrunerState } from "./state.ts";
import { createSelectionScratch, type SelectionScratch } from "./threshold.ts";

/** Working memory of one layer at a prune step. */
export interface LayerScratch {
  /** The scores of N:M groups, or a copy of block scores that the planning of a budget may overwrite. */
  blockScores: Float32Array;
  /** The mask that the layer would have if all N:M groups were pruned. */
  groupMask: Uint8Array;
  /**
   * `inc`: 1 for each block that INC will count once it is pruned. `strict`: 1 for each block that is already pruned.
   */
  flags: Uint8Array;
}

const EMPTY: LayerScratch = {
  blockScores: new Float32Array(0),
  groupMask: new Uint8Array(0),
  flags: new Uint8Array(0),
};

/** Working memory of one pruner. */
export interface PrunerScratch {
  /** Working memory for finding thresholds, shared by all pruners. */
  readonly selection: SelectionScratch;
  /** Working memory for computing scores, shared by all pruners. */
  readonly score: ScoreScratch;
  /** Room for the scores of the elements in one N:M group. */
  readonly group: Float32Array;
  /** Room for one row of the widest mask. */
  readonly row: Uint8Array;
  readonly layers: readonly LayerScratch[];
  /** Room for the gradients of one layer's block mask. */
  maskGradients: Float32Array;
  /** The layer records of the call in progress, in the order of the pruner's layers. */
  readonly records: LayerRecord[];
}

/** Creates working memory for pruners. Arrays that depend on the sizes of layers grow at the first prune step. */
export function createPrunerScratches(
  pruners: readonly PrunerState[],
  kernels: PruningKernels = plainKernels,
  selection: SelectionScratch = createSelectionScratch(kernels),
): readonly PrunerScratch[] {
  const score = createScoreScratch();
  return pruners.map(({ config: { pattern }, layers }) => ({
    selection,
    score,
    group: new Float32Array(pattern.kind === "group" ? pattern.of : 0),
    row: new Uint8Array(Math.max(0, ...layers.map(({ layout }) => layout.columns))),
    layers: layers.map(() => ({ ...EMPTY })),
    maskGradients: EMPTY.blockScores,
    records: [],
  }));
}

/** Returns room for the gradients of one layer's block mask. */
export function reserveMaskGradients(scratch: PrunerScratch, count: number): Float32Array {
  if (scratch.maskGradients.length < count) scratch.maskGradients = new Float32Array(count);
  return scratch.maskGradients.subarray(0, count);
}

/**
 * Ensures room for the blocks of a layer. `whole` means that blocks are always pruned or kept as a whole; flags are
 * then not needed.
 */
export function reserveBlocks(scratch: LayerScratch, blocks: number, whole: boolean): void {
  if (scratch.blockScores.length !== blocks) scratch.blockScores = new Float32Array(blocks);
  if (whole || scratch.flags.length === blocks) return;
  scratch.flags = new Uint8Array(blocks);
}
