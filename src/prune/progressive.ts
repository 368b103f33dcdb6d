/**
 * Progressive pruning: between two prune steps the new zeros are applied a few at a time, least scores
 * first (INC: `progressive.py`, `update_progressive_masks_global_scores`).
 */
import { type Decision, KEEP_ALL } from "./budget.ts";
import type { PrunerConfig } from "./config.ts";
import { type BlockLayout, forEachElement } from "./pattern.ts";
import { bitsOf, kthSmallestOf, type ScoreSource, type SelectionScratch } from "./threshold.ts";

/** Parts in which new zeros are applied. */
export const PROGRESSIVE_STEPS = 4;

/** When interpolated masks change. */
export interface ProgressivePlan {
  /** False where the settings leave no room for it, and pruning is plain. */
  readonly interpolating: boolean;
  /** Parts that are really used: fewer than four when prune steps are closer than that. */
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
  /** The interpolated mask so far, replaced by the new one; may alias neither of the others. */
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
    if (before[index] !== after[index]) visit(index, scores[perElement ? index : block] as number);
  });
}

/** Whether an element that is to go has gone in an earlier part. */
function isSettled({ before, after, out }: ProgressiveLayer, index: number): boolean {
  return out[index] === 0 && before[index] === 1 && after[index] === 0;
}

/** Writes the masks before the change; with `settles` what earlier parts have pruned stays so. */
function restart(layer: ProgressiveLayer, settles: boolean): void {
  const { before, out } = layer;
  for (let i = 0; i < out.length; i++)
    if (!(settles && isSettled(layer, i))) out[i] = before[i] as number;
}

/**
 * The scores of all changed elements that are not settled, layer after layer, without an array of them. Only
 * under `strict` are some settled once the masks have been restarted.
 */
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
    countLeadingBitsInto: (histogram) =>
      visit((score) => {
        const bucket = bitsOf(score) >>> 16;
        histogram[bucket] = (histogram[bucket] as number) + 1;
      }),
    countTrailingBitsInto: (leading, histogram) =>
      visit((score) => {
        const bits = bitsOf(score);
        if (bits >>> 16 !== leading) return;
        const bucket = bits & 0xffff;
        histogram[bucket] = (histogram[bucket] as number) + 1;
      }),
    hasNaN: () => countIf(Number.isNaN) > 0,
    visit,
  };
}

/** Which of the changed elements a part takes: `count` of them, in `inc` with all ties. */
function decidePart(
  scores: ScoreSource,
  count: number,
  exact: boolean,
  scratch: SelectionScratch,
): Decision {
  if (!exact) return { threshold: kthSmallestOf(scores, count, scratch), ties: Infinity };
  if (count === 0) return KEEP_ALL;
  const threshold = kthSmallestOf(scores, count, scratch, true);
  let ties = count;
  scores.visit((score) => {
    if (score < threshold) ties--;
  });
  return { threshold, ties };
}

/** The number of changed elements. */
function countChanged(layers: readonly ProgressiveLayer[]): number {
  let count = 0;
  for (const layer of layers) visitChanged(layer, () => count++);
  return count;
}

/**
 * Writes masks in which `part` of `parts` of the changed elements have changed: those of the least
 * scores over all layers, in `inc` with all ties. Elements that come back to life stay pruned until
 * the change is complete. Without changes the earlier masks are written.
 *
 * @param exact `strict`: exactly that many elements, ties in order, those pruned already before all others.
 * @throws PruningError under `inc` where the part comes to no element at all.
 */
export function interpolateMasksInto(
  layers: readonly ProgressiveLayer[],
  part: number,
  parts: number,
  exact: boolean,
  scratch: SelectionScratch,
): void {
  for (const layer of layers) restart(layer, exact);
  const changed = countChanged(layers);
  if (changed === 0) return;
  const scores = openScores(layers);
  const settled = changed - scores.count;
  const count = Math.max(0, Math.floor((changed * part) / parts) - settled);
  const decision = decidePart(scores, count, exact, scratch);
  let ties = decision.ties;
  for (const layer of layers) {
    visitChanged(layer, (index, score) => {
      if (isSettled(layer, index)) return;
      const prune = score < decision.threshold || (score === decision.threshold && ties-- > 0);
      if (prune) layer.out[index] = 0;
    });
  }
}
