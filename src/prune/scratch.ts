/** Working memory of pruners: created once for the `Into` forms and reused at every step. */
import type { PruningKernels } from "../core/pruning-kernels.ts";
import type { LayerRecord } from "./layer.ts";
import { plainKernels } from "./plain-kernels.ts";
import { createScoreScratch, type ScoreScratch } from "./reduce.ts";
import type { PrunerState } from "./state.ts";
import { createSelectionScratch, type SelectionScratch } from "./threshold.ts";

/** Working memory of one layer at a prune step. */
export interface LayerScratch {
  /** Scores of N:M groups, or a copy of block scores that bounds may overwrite. */
  blockScores: Float32Array;
  /** The mask of a layer with all N:M groups pruned. */
  groupMask: Uint8Array;
  /** 1 for each block that counts as pruned once it is pruned (`inc`), or that is already pruned (`strict`). */
  flags: Uint8Array;
}

const EMPTY: LayerScratch = {
  blockScores: new Float32Array(0),
  groupMask: new Uint8Array(0),
  flags: new Uint8Array(0),
};

/** Working memory of one pruner. */
export interface PrunerScratch {
  /** Shared by all pruners. */
  readonly selection: SelectionScratch;
  /** Shared by all pruners. */
  readonly score: ScoreScratch;
  /** Scores of one N:M group. */
  readonly group: Float32Array;
  /** One row of the widest mask. */
  readonly row: Uint8Array;
  readonly layers: readonly LayerScratch[];
  /** Gradients of one layer's block masks. */
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

/** Room for the gradients of one layer's block masks. */
export function reserveMaskGradients(scratch: PrunerScratch, count: number): Float32Array {
  if (scratch.maskGradients.length < count) scratch.maskGradients = new Float32Array(count);
  return scratch.maskGradients.subarray(0, count);
}

/** Ensures room for the blocks of a layer. Whole blocks need no flags. */
export function reserveBlocks(scratch: LayerScratch, blocks: number, whole: boolean): void {
  if (scratch.blockScores.length !== blocks) scratch.blockScores = new Float32Array(blocks);
  if (whole || scratch.flags.length === blocks) return;
  scratch.flags = new Uint8Array(blocks);
}
