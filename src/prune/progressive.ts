/**
 * Progressive pruning: the new zeros of a prune step are applied in several parts before the next prune step, lowest
 * scores first (INC: `progressive.py`, `update_progressive_masks_global_scores`).
 */
import type { Decision } from "./budget.ts";
import type { PrunerConfig } from "./config.ts";
import { type BlockLayout, forEachElement } from "./pattern.ts";
import { bitsOf, kthSmallestOf, type ScoreSource, type SelectionScratch } from "./threshold.ts";

/** The largest number of parts in which the new zeros of a prune step are applied. */
export const PROGRESSIVE_STEPS = 4;

export interface ProgressivePlan {
  /** Whether masks are interpolated: the method is progressive, and the schedule has enough steps for it. */
  readonly interpolating: boolean;
  /** The number of parts: four, or fewer if prune steps are fewer than four steps apart. */
  readonly parts: number;
  /** The number of steps from one part to the next. */
  readonly interval: number;
}

/** Plans the interpolation of masks (INC: `_init_for_progressive`). */
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

/** A layer whose mask is interpolated between an old and a new one. */
export interface ProgressiveLayer {
  readonly layout: BlockLayout;
  /** The masks before and after the latest prune step. */
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

/** Whether an element was already pruned by an earlier part of the change. */
function isSettled({ before, after, out }: ProgressiveLayer, index: number): boolean {
  return out[index] === 0 && before[index] === 1 && after[index] === 0;
}

/** The scores of all changed elements that no earlier part has pruned, layer by layer. They are not copied. */
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

/** Prunes the changed elements that a decision selects, among those that no earlier part has pruned. */
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
 * Writes the interpolated masks after the first `part` parts, if the changes are divided into `parts` parts. Changed
 * elements are ordered by their scores across the layers, lowest first. Elements that the prune step restores stay
 * pruned until the last part. If nothing has changed, writes the masks before the prune step.
 */
export type InterpolateMasksInto = (
  layers: readonly ProgressiveLayer[],
  part: number,
  parts: number,
  scratch: SelectionScratch,
) => void;

/**
 * `inc`: if several elements have the same score as the last element to prune, prunes all of them.
 *
 * @throws PruningError if the part is too small to contain an element.
 */
export const incInterpolateMasksInto: InterpolateMasksInto = (layers, part, parts, scratch) => {
  for (const { before, out } of layers) out.set(before);
  const scores = openScores(layers);
  if (scores.count === 0) return;
  const count = Math.floor((scores.count * part) / parts);
  const threshold = kthSmallestOf(scores, count, scratch);
  pruneChangedInto(layers, { threshold, ties: Infinity });
};

/**
 * `strict`: prunes an exact number of elements, the first ones among equal scores. Elements that earlier parts have
 * pruned are counted first.
 */
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
