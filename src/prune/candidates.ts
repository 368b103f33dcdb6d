/**
 * A pruner's layers as they compete for a prune step's budget, and the working memory for it.
 */
import type { Candidate } from "./budget.ts";
import { type ExactCandidate, exactCount } from "./exact.ts";
import { createGroupScratch, type GroupScratch, groupScoresInto } from "./group.ts";
import { PruningError } from "./layer.ts";
import { countBlocks, markPrunedInto } from "./mask.ts";
import { blockCount, perBlock } from "./pattern.ts";
import type { PrunedLayer, PrunerState } from "./state.ts";
import type { SelectionScratch } from "./threshold.ts";

/** Working memory of one layer at a prune step. */
export interface LayerScratch {
  /** Scores of N:M groups, or a copy of block scores that carries bounds. */
  blockScores: Float32Array;
  /** Elements an N:M group loses when it is pruned. */
  losses: Uint16Array;
  /** Flags per block: counts as pruned once it is (`inc`), is pruned already (`strict`). */
  flags: Uint8Array;
}

/** Working memory of one pruner at a prune step. */
export interface ReplaceScratch {
  readonly selection: SelectionScratch;
  readonly group: GroupScratch;
  readonly layers: readonly LayerScratch[];
}

/** Makes the working memory of a pruner; layers' parts grow at the first prune step. */
export function createReplaceScratch(
  pruner: PrunerState,
  selection: SelectionScratch,
): ReplaceScratch {
  const { pattern } = pruner.config;
  return {
    selection,
    group: createGroupScratch(pattern.kind === "group" ? pattern.of : 0),
    layers: pruner.layers.map(() => ({
      blockScores: new Float32Array(0),
      losses: new Uint16Array(0),
      flags: new Uint8Array(0),
    })),
  };
}

function reserve(scratch: LayerScratch, blocks: number): void {
  if (scratch.blockScores.length === blocks) return;
  scratch.blockScores = new Float32Array(blocks);
  scratch.losses = new Uint16Array(blocks);
  scratch.flags = new Uint8Array(blocks);
}

const NO_SCORES = new Float32Array(0);

/**
 * Refuses scores that are not finite before they are used up: a group's score may leave a NaN out, and
 * exact selection gives infinities a meaning of its own.
 */
function checkFiniteScores(layer: PrunedLayer, scores: Float32Array): void {
  for (let i = 0; i < scores.length; i++)
    if (!Number.isFinite(scores[i]))
      throw new PruningError(
        "invalid-score",
        `${layer.name}: expected finite scores, got ${scores[i]} at position ${i}`,
        layer.name,
      );
}

/** Writes one score per block into the layer's scratch: groups are scored, block scores copied. */
function blockScoresInto(
  pruner: PrunerState,
  layer: PrunedLayer,
  exact: boolean,
  layerScratch: LayerScratch,
  scratch: ReplaceScratch,
): void {
  const { pattern, scoreReduction, lowMemoryUsage, criterion } = pruner.config;
  reserve(layerScratch, blockCount(layer.layout));
  const scores = layer.scores ?? NO_SCORES;
  checkFiniteScores(layer, scores);
  if (pattern.kind === "block") {
    layerScratch.blockScores.set(scores);
    return;
  }
  groupScoresInto(
    pattern,
    layer.layout,
    scoreReduction,
    lowMemoryUsage && criterion === "snip_momentum",
    exact,
    scores,
    layerScratch.blockScores,
    layerScratch.losses,
    scratch.group,
  );
}

/** A layer as INC's budget sees it. */
export function incCandidate(
  pruner: PrunerState,
  layer: PrunedLayer,
  layerScratch: LayerScratch,
  scratch: ReplaceScratch,
): Candidate {
  const { pattern } = pruner.config;
  const { name, layout, frozen } = layer;
  const current = countBlocks(pattern, layout, layer.mask, false);
  if (frozen || pattern.kind === "block")
    return { name, scores: layer.scores ?? NO_SCORES, counted: null, current, frozen };
  blockScoresInto(pruner, layer, false, layerScratch, scratch);
  const { losses, flags, blockScores } = layerScratch;
  for (let i = 0; i < losses.length; i++)
    flags[i] = pattern.of - (losses[i] as number) <= pattern.prune ? 1 : 0;
  return { name, scores: blockScores, counted: flags, current, frozen };
}

/** A layer under exact selection: blocks already pruned stay so, and its bounds are counts. */
export function exactCandidate(
  pruner: PrunerState,
  layer: PrunedLayer,
  ratio: number,
  layerScratch: LayerScratch,
  scratch: ReplaceScratch,
): ExactCandidate {
  const { pattern, minSparsityRatioPerOp, maxSparsityRatioPerOp } = pruner.config;
  const { layout, mask } = layer;
  blockScoresInto(pruner, layer, true, layerScratch, scratch);
  const { blockScores, flags } = layerScratch;
  const pruned = markPrunedInto(pattern, layout, mask, true, flags);
  for (let block = 0; block < blockScores.length; block++)
    if (flags[block] === 1) blockScores[block] = Number.NEGATIVE_INFINITY;
  const blocks = blockScores.length;
  const least = exactCount(blocks, perBlock(pattern, Math.min(minSparsityRatioPerOp, ratio)));
  const most = exactCount(blocks, perBlock(pattern, maxSparsityRatioPerOp));
  return {
    name: layer.name,
    scores: blockScores,
    pruned,
    least: Math.max(least, pruned),
    most: Math.max(most, pruned),
  };
}
