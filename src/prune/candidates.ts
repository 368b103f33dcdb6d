/** A pruner's layers as they compete for the budget of a prune step: one score per block. */
import type { Candidate } from "./budget.ts";
import {
  countOwnBlocks,
  hasWholeRowsOfBlocks,
  incKeptLimit,
  keptLimit,
  markPrunedInto,
} from "./count.ts";
import { CRITERIA } from "./criteria.ts";
import { type ExactCandidate, exactCount } from "./exact.ts";
import { type GroupPattern, groupScoresInto } from "./group.ts";
import { refusePruning } from "./layer.ts";
import { blockCount, perBlock } from "./pattern.ts";
import { type PrunerScratch, reserveBlocks } from "./scratch.ts";
import type { PrunedLayer, PrunerState } from "./state.ts";

/** Scores of a layer that has none yet. */
const NO_SCORES: Float32Array = new Float32Array(0);

/** Refuses a score that is not finite: a group's score may leave a NaN out, and infinities mark bounds. */
function refuseScore({ name }: PrunedLayer, scores: Float32Array, position: number): never {
  const got = `${scores[position]} at position ${position}`;
  refusePruning("invalid-score", name, "finite scores", got, name);
}

function checkFiniteScores(layer: PrunedLayer, scores: Float32Array): void {
  for (let i = 0; i < scores.length; i++)
    if (!Number.isFinite(scores[i])) refuseScore(layer, scores, i);
}

/** Writes one score per group into the layer's scratch, for groups that lose at most `most` elements. */
function writeGroupScoresInto(
  pattern: GroupPattern,
  { config, layers }: PrunerState,
  index: number,
  most: number,
  { layers: scratches, group }: PrunerScratch,
): void {
  const { scoreReduction, lowMemoryUsage, criterion } = config;
  const lowMemory = lowMemoryUsage && CRITERIA[criterion].decay !== null;
  const layer = layers[index];
  const scores = layer.scores ?? NO_SCORES;
  checkFiniteScores(layer, scores);
  const { blockScores, losses } = scratches[index];
  groupScoresInto(
    pattern,
    layer.layout,
    scoreReduction,
    lowMemory,
    most,
    scores,
    blockScores,
    losses,
    group,
  );
}

/** What a block's entry in the mask takes from its score: all of it if the block is pruned. */
const TAKEN: readonly number[] = [Infinity, 0];

/**
 * Copies the scores of whole blocks, with -Infinity for pruned ones, and returns the number of the latter. One pass
 * reads the scores, and of the mask the first row of each row of blocks. No branch depends on the mask, since it
 * would be mispredicted for every other block.
 */
function wholeBlockScoresInto(layer: PrunedLayer, scores: Float32Array, out: Float32Array): number {
  const { layout, mask } = layer;
  const { blockHeight, blockWidth: width, columns } = layout;
  let kept = 0;
  let block = 0;
  for (let start = 0; start < mask.length; start += blockHeight * columns) {
    for (let at = start; at < start + columns; at += width, block++) {
      const score = scores[block];
      // The difference is 0 for finite numbers and NaN for the others.
      if (score - score !== 0) refuseScore(layer, scores, block);
      const entry = mask[at];
      kept += entry;
      out[block] = score - TAKEN[entry];
    }
  }
  return out.length - kept;
}

/** Writes one score per block, with -Infinity for pruned ones, and returns the number of the latter. */
function exactScoresInto(pruner: PrunerState, index: number, scratch: PrunerScratch): number {
  const { pattern } = pruner.config;
  const layer = pruner.layers[index];
  const own = scratch.layers[index];
  const { layout, mask } = layer;
  const whole = hasWholeRowsOfBlocks(pattern, layout);
  reserveBlocks(own, blockCount(layout), whole);
  const { blockScores, flags } = own;
  const scores = layer.scores ?? NO_SCORES;
  if (whole) return wholeBlockScoresInto(layer, scores, blockScores);
  if (pattern.kind === "group")
    writeGroupScoresInto(pattern, pruner, index, pattern.prune, scratch);
  else {
    checkFiniteScores(layer, scores);
    blockScores.set(scores);
  }
  const pruned = markPrunedInto(layout, mask, keptLimit(pattern), flags);
  for (let block = 0; block < blockScores.length; block++)
    if (flags[block] === 1) blockScores[block] = -Infinity;
  return pruned;
}

/** A layer as INC's budget sees it. */
export function incCandidate(
  pruner: PrunerState,
  index: number,
  scratch: PrunerScratch,
): Candidate {
  const { pattern } = pruner.config;
  const { layout, frozen, mask, scores } = pruner.layers[index];
  const own = scratch.layers[index];
  const limit = incKeptLimit(pattern);
  const current = countOwnBlocks(pattern, layout, mask, limit);
  if (frozen || pattern.kind === "block")
    return { scores: scores ?? NO_SCORES, counted: null, current, frozen };
  reserveBlocks(own, blockCount(layout), false);
  writeGroupScoresInto(pattern, pruner, index, pattern.of, scratch);
  const { losses, flags, blockScores } = own;
  for (let i = 0; i < losses.length; i++) flags[i] = pattern.of - losses[i] <= limit ? 1 : 0;
  return { scores: blockScores, counted: flags, current, frozen };
}

/** A layer under exact selection: pruned blocks stay pruned, and its bounds are counts. */
export function exactCandidate(
  pruner: PrunerState,
  index: number,
  ratio: number,
  scratch: PrunerScratch,
): ExactCandidate {
  const { pattern, minSparsityRatioPerOp, maxSparsityRatioPerOp } = pruner.config;
  const pruned = exactScoresInto(pruner, index, scratch);
  const { blockScores } = scratch.layers[index];
  const blocks = blockScores.length;
  const least = exactCount(blocks, perBlock(pattern, Math.min(minSparsityRatioPerOp, ratio)));
  const most = exactCount(blocks, perBlock(pattern, maxSparsityRatioPerOp));
  return {
    scores: blockScores,
    pruned,
    least: Math.max(least, pruned),
    most: Math.max(most, pruned),
  };
}
