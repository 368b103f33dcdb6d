/**
 * Progressive pruning: between two prune steps the new zeros are applied a few at a time, lowest scores first
 * (INC: `progressive.py`, `update_progressive_masks_global_scores`).
 */
import type { Decision } from "./budget.ts";
import type { PrunerConfig } from "./config.ts";
import { type BlockLayout, forEachElement } from "./pattern.ts";
import { bitsOf, kthSmallestOf, type ScoreSource, type SelectionScratch } from "./threshold.ts";

/** Parts in which new zeros are applied. */
export const PROGRESSIVE_STEPS = 4;

/** When interpolated masks change. */
export interface ProgressivePlan {
  /** False if the settings leave no room for it. Pruning is plain then. */
  readonly interpolating: boolean;
  /** Parts that are used: fewer than four if prune steps are closer than that. */
  readonly parts: number;
  /** Steps between two changes. */
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
  if (frequency < PROGRESSIVE_STEPS)
    return { interpolating, parts: frequency, interval: frequency };
  return {
    interpolating,
    parts: PROGRESSIVE_STEPS,
    interval: Math.floor(frequency / PROGRESSIVE_STEPS),
  };
}

/** A layer between two masks. */
export interface ProgressiveLayer {
  readonly layout: BlockLayout;
  /** Masks before and after the latest prune step. */
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  /** One score per block, or one per element in the weight's order. */
  readonly scores: Float32Array;
  /** The interpolated mask so far, replaced by the new one. Must not alias the others. */
  readonly out: Uint8Array;
}

/** Calls `visit` with the index and score of every element whose mask changed, in matrix order. */
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

/** Whether an element that is to go was pruned by an earlier part. */
function isSettled({ before, after, out }: ProgressiveLayer, index: number): boolean {
  return out[index] === 0 && before[index] === 1 && after[index] === 0;
}

/** The scores of all changed elements that are not settled, layer after layer, without an array of them. */
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

/** Prunes the changed elements that a decision takes and that are not settled. */
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
 * Writes masks in which `part` of `parts` of the changed elements have changed: those of the lowest scores over all
 * layers. Elements that come back stay pruned until the change is complete. Without changes the earlier masks are
 * written.
 */
export type InterpolateMasksInto = (
  layers: readonly ProgressiveLayer[],
  part: number,
  parts: number,
  scratch: SelectionScratch,
) => void;

/**
 * `inc`: with all ties.
 *
 * @throws PruningError if the part comes to no element.
 */
export const incInterpolateMasksInto: InterpolateMasksInto = (layers, part, parts, scratch) => {
  for (const { before, out } of layers) out.set(before);
  const scores = openScores(layers);
  if (scores.count === 0) return;
  const count = Math.floor((scores.count * part) / parts);
  const threshold = kthSmallestOf(scores, count, scratch);
  pruneChangedInto(layers, { threshold, ties: Infinity });
};

/** `strict`: exactly that many elements, ties in order; those that earlier parts have pruned come first. */
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
