/**
 * Progressive pruning: between two prune steps the new zeros are applied a few at a time, least scores
 * first (INC: `progressive.py`, `update_progressive_masks_global_scores`).
 */
import type { PrunerConfig } from "./config.ts";
import { exactDecision } from "./exact.ts";
import { type BlockLayout, columnOffset } from "./pattern.ts";
import { kthSmallest, type SelectionScratch } from "./threshold.ts";

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
  for (let row = 0; row < layout.rows; row++) {
    const blockBase = Math.floor(row / layout.blockHeight) * layout.blockColumns;
    for (let column = 0; column < layout.columns; column++) {
      const index = row * layout.columns + columnOffset(layout, column);
      if (before[index] === after[index]) continue;
      const block = blockBase + Math.floor(column / layout.blockWidth);
      visit(index, scores[perElement ? index : block] as number);
    }
  }
}

/**
 * Scores of all changed elements, layer after layer.
 *
 * @param settles whether those that are pruned already come first, so that later scores revive none.
 */
function changedScores(layers: readonly ProgressiveLayer[], settles: boolean): Float32Array {
  const found: number[] = [];
  for (const layer of layers)
    visitChanged(layer, (index, score) => {
      found.push(settles && layer.out[index] === 0 ? Number.NEGATIVE_INFINITY : score);
    });
  return Float32Array.from(found);
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
  const scores = changedScores(layers, exact);
  for (const { before, out } of layers) out.set(before);
  if (scores.length === 0) return;
  const count = Math.floor((scores.length * part) / parts);
  const decision = exact
    ? exactDecision([scores], count, scratch)
    : { threshold: kthSmallest([scores], count, scratch), ties: Number.POSITIVE_INFINITY };
  let ties = decision.ties;
  let at = 0;
  for (const layer of layers) {
    visitChanged(layer, (index) => {
      const score = scores[at++] as number;
      const prune = score < decision.threshold || (score === decision.threshold && ties-- > 0);
      if (prune) layer.out[index] = 0;
    });
  }
}
