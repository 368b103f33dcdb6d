/**
 * Progressive pruning: the new zeros of a prune step are applied in parts until the next one, lowest scores first
 * (INC: `progressive.py`, `update_progressive_masks_global_scores`).
 */
import type { Decision } from "./budget.ts";
import type { PrunerConfig } from "./config.ts";
import { type BlockLayout, forEachElement } from "./pattern.ts";
import { bitsOf, kthSmallestOf, type ScoreSource, type SelectionScratch } from "./threshold.ts";

/** Number of parts in which new zeros are applied. */
export const PROGRESSIVE_STEPS = 4;

export interface ProgressivePlan {
  /** Whether masks are interpolated. False if the schedule has too few steps for it. */
  readonly interpolating: boolean;
  /** Number of parts: fewer than four if there are fewer steps between prune steps. */
  readonly parts: number;
  /** Steps from one part to the next. */
  readonly interval: number;
}

/** Plans interpolation (INC: `_init_for_progressive`). */
export function planProgressive(
  config: Pick<PrunerConfig, "method" | "startStep" | "endStep" | "pruningFrequency">,
): ProgressivePlan {
  const { pruningFrequency: frequency } = config;
  const interpolating =
    config.method === "progressive" &&
    config.endStep - config.startStep > PROGRESSIVE_STEPS &&
    frequency > 1;
  const parts = Math.min(frequency, PROGRESSIVE_STEPS);
  const interval = parts < PROGRESSIVE_STEPS ? frequency : Math.floor(frequency / parts);
  return { interpolating, parts, interval };
}

/** A layer between two masks. */
export interface ProgressiveLayer {
  readonly layout: BlockLayout;
  /** Masks before and after the latest prune step. */
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  /** One score per block, or one per element in the weight's order. */
  readonly scores: Float32Array;
  /** The interpolated mask, which is updated in place. Must not alias the other masks. */
  readonly out: Uint8Array;
}

/** Calls `visit` with the index and score of every changed mask element, in matrix order. */
function visitChanged(
  layer: ProgressiveLayer,
  visit: (index: number, score: number) => void,
): void {
  const { layout, before, after, scores } = layer;
  const perElement = scores.length === before.length;
  forEachElement(layout, (index, block) => {
    if (before[index] !== after[index]) visit(index, scores[perElement ? index : block]);
  });
}

/** Whether an earlier part has pruned an element. */
function isSettled({ before, after, out }: ProgressiveLayer, index: number): boolean {
  return out[index] === 0 && before[index] === 1 && after[index] === 0;
}

/** The scores of all changed elements that are not settled, layer by layer, without copying them. */
function openScores(layers: readonly ProgressiveLayer[]): ScoreSource {
  const visit: ScoreSource["visit"] = (look) => {
    let position = 0;
    for (const layer of layers)
      visitChanged(layer, (index, score) => {
        if (!isSettled(layer, index)) look(score, position++);
      });
  };
  const countIf = (holds: (score: number) => boolean): number => {
    let count = 0;
    visit((score) => {
      if (holds(score)) count++;
    });
    return count;
  };
  return {
    count: countIf(() => true),
    countBitsInto: (leading, histogram) =>
      visit((score) => {
        const bits = bitsOf(score);
        if (leading === null) histogram[bits >>> 16]++;
        else if (bits >>> 16 === leading) histogram[bits & 0xffff]++;
      }),
    hasNaN: () => countIf(Number.isNaN) > 0,
    visit,
  };
}

/** Prunes the changed elements of a decision that are not settled. */
function pruneChangedInto(
  layers: readonly ProgressiveLayer[],
  { threshold, ties }: Decision,
): void {
  let left = ties;
  for (const layer of layers)
    visitChanged(layer, (index, score) => {
      if (isSettled(layer, index)) return;
      if (score < threshold || (score === threshold && left-- > 0)) layer.out[index] = 0;
    });
}

/**
 * Writes masks with `part` of `parts` of the changes: the changed elements with the lowest scores over all layers.
 * Elements that are restored stay pruned until the last part. Without changes it writes the earlier masks.
 */
export type InterpolateMasksInto = (
  layers: readonly ProgressiveLayer[],
  part: number,
  parts: number,
  scratch: SelectionScratch,
) => void;

/**
 * `inc`: prunes all ties.
 *
 * @throws PruningError if the part contains no element.
 */
export const incInterpolateMasksInto: InterpolateMasksInto = (layers, part, parts, scratch) => {
  for (const { before, out } of layers) out.set(before);
  const scores = openScores(layers);
  if (scores.count === 0) return;
  const count = Math.floor((scores.count * part) / parts);
  const threshold = kthSmallestOf(scores, count, scratch);
  pruneChangedInto(layers, { threshold, ties: Infinity });
};

/** `strict`: prunes an exact number, ties in order. Elements that earlier parts have pruned come first. */
export const interpolateMasksInto: InterpolateMasksInto = (layers, part, parts, scratch) => {
  let changed = 0;
  for (const layer of layers) {
    const { before, out } = layer;
    for (let i = 0; i < out.length; i++) if (!isSettled(layer, i)) out[i] = before[i];
    visitChanged(layer, () => changed++);
  }
  const scores = openScores(layers);
  const settled = changed - scores.count;
  const count = Math.floor((changed * part) / parts) - settled;
  if (count <= 0) return;
  const threshold = kthSmallestOf(scores, count, scratch, true);
  let ties = count;
  scores.visit((score) => {
    if (score < threshold) ties--;
  });
  pruneChangedInto(layers, { threshold, ties });
};
