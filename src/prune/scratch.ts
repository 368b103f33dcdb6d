/** Working memory of one pruner: made once for the `Into` forms, and reused at every step. */
import type { PruningKernels } from "../core/pruning-kernels.ts";
import { createGroupScratch, type GroupScratch } from "./group.ts";
import type { LayerRecord } from "./layer.ts";
import { plainKernels } from "./plain-kernels.ts";
import { createScoreScratch, type ScoreScratch } from "./reduce.ts";
import type { PrunerState } from "./state.ts";
import { createSelectionScratch, type SelectionScratch } from "./threshold.ts";

/** Working memory of one layer at a prune step. */
export interface LayerScratch {
  /** Scores of N:M groups, or a copy of block scores that carries bounds. */
  blockScores: Float32Array;
  /** How many elements each N:M group would lose. */
  losses: Uint16Array;
  /** Flags of blocks: counts as pruned once it is (`inc`), is pruned already (`strict`). */
  flags: Uint8Array;
}

const EMPTY: LayerScratch = {
  blockScores: new Float32Array(0),
  losses: new Uint16Array(0),
  flags: new Uint8Array(0),
};

/** Working memory of one pruner. */
export interface PrunerScratch {
  /** Shared by all pruners, like the next. */
  readonly selection: SelectionScratch;
  readonly score: ScoreScratch;
  readonly group: GroupScratch;
  /** One row of the widest mask. */
  readonly row: Uint8Array;
  readonly layers: readonly LayerScratch[];
  /** Gradients of one layer's block masks. */
  maskGradients: Float32Array;
  /** The layer records of the call in progress, in the order of the pruner's layers. */
  readonly records: LayerRecord[];
}

/** Makes the working memory of some pruners. What depends on the layers' sizes grows at the first prune step. */
export function createPrunerScratches(
  pruners: readonly PrunerState[],
  kernels: PruningKernels = plainKernels,
  selection: SelectionScratch = createSelectionScratch(kernels),
): readonly PrunerScratch[] {
  const score = createScoreScratch(kernels);
  return pruners.map(({ config: { pattern }, layers }) => ({
    selection,
    score,
    group: createGroupScratch(pattern.kind === "group" ? pattern.of : 0),
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

/** Makes a layer's parts large enough; the scores of whole blocks need neither losses nor flags. */
export function reserveBlocks(scratch: LayerScratch, blocks: number, whole: boolean): void {
  if (scratch.blockScores.length !== blocks) scratch.blockScores = new Float32Array(blocks);
  if (whole || scratch.flags.length === blocks) return;
  scratch.losses = new Uint16Array(blocks);
  scratch.flags = new Uint8Array(blocks);
}
