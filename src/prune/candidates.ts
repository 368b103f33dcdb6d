/** Prepares the layers that compete for the budget of a prune step: computes one score per block. */
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

const NO_SCORES: Float32Array = new Float32Array(0);

/**
 * Refuses a score that is not finite. The score of an N:M group could hide that an element's score is NaN, and
 * infinities are reserved for blocks that must be pruned or kept.
 */
function refuseScore({ name }: PrunedLayer, scores: Float32Array, position: number): never {
  const got = `${scores[position]} at position ${position}`;
  refusePruning("invalid-score", name, "finite scores", got, name);
}

function checkFiniteScores(
  layer: PrunedLayer,
  scores: Float32Array,
  { selection: { kernels } }: PrunerScratch,
): void {
  const finite =
    kernels.countBelow(scores, Infinity, false) - kernels.countBelow(scores, -Infinity, true);
  if (finite === scores.length) return;
  const position = scores.findIndex((score) => !Number.isFinite(score));
  refuseScore(layer, scores, position);
}

/**
 * Writes the score of each N:M group. With `allTies`, elements with tied scores are pruned together, so a group may
 * lose more than N elements.
 */
function writeGroupScoresInto(
  pattern: GroupPattern,
  { config, layers }: PrunerState,
  index: number,
  allTies: boolean,
  scratch: PrunerScratch,
): void {
  const { layers: scratches, group } = scratch;
  const { scoreReduction, lowMemoryUsage, criterion } = config;
  const lowMemory = lowMemoryUsage && CRITERIA[criterion].decay !== null;
  const layer = layers[index];
  const scores = layer.scores ?? NO_SCORES;
  checkFiniteScores(layer, scores, scratch);
  const own = scratches[index];
  if (own.groupMask.length !== layer.mask.length) own.groupMask = new Uint8Array(layer.mask.length);
  groupScoresInto(
    pattern,
    layer.layout,
    scoreReduction,
    lowMemory,
    allTies,
    scores,
    own.blockScores,
    own.groupMask,
    group,
  );
}

/**
 * The value to subtract from a block's score, indexed by the block's mask entry. It turns the score of a pruned block
 * into -Infinity.
 */
const TAKEN: readonly number[] = [Infinity, 0];

/**
 * Copies the scores of a layer whose blocks are pruned or kept as a whole, with -Infinity for pruned blocks, and
 * returns the number of pruned blocks. Reads only the first mask row of each row of blocks. No branch depends on the
 * mask, because such a branch would be mispredicted half of the time.
 */
function wholeBlockScoresInto(layer: PrunedLayer, scores: Float32Array, out: Float32Array): number {
  const { layout, mask } = layer;
  const { blockHeight, blockWidth: width, columns } = layout;
  let kept = 0;
  let block = 0;
  for (let start = 0; start < mask.length; start += blockHeight * columns) {
    for (let at = start; at < start + columns; at += width, block++) {
      const score = scores[block];
      // The difference is 0 for a finite score, otherwise NaN.
      if (score - score !== 0) refuseScore(layer, scores, block);
      const entry = mask[at];
      kept += entry;
      out[block] = score - TAKEN[entry];
    }
  }
  return out.length - kept;
}

/** Writes one score per block, with -Infinity for pruned blocks, and returns the number of pruned blocks. */
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
  if (pattern.kind === "group") writeGroupScoresInto(pattern, pruner, index, false, scratch);
  else {
    checkFiniteScores(layer, scores, scratch);
    blockScores.set(scores);
  }
  const pruned = markPrunedInto(layout, mask, keptLimit(pattern), flags);
  if (pruned > 0)
    for (let block = 0; block < blockScores.length; block++)
      if (flags[block] === 1) blockScores[block] = -Infinity;
  return pruned;
}

/** Prepares a layer to compete for a budget under the `inc` profile. */
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
  writeGroupScoresInto(pattern, pruner, index, true, scratch);
  const { groupMask, flags, blockScores } = own;
  markPrunedInto(layout, groupMask, limit, flags);
  return { scores: blockScores, counted: flags, current, frozen };
}

/** Returns a candidate with a layer's block scores and its bounds. */
function boundedCandidate(
  { pattern, minSparsityRatioPerOp, maxSparsityRatioPerOp }: PrunerState["config"],
  blockScores: Float32Array,
  pruned: number,
  ratio: number,
): ExactCandidate {
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

/** Prepares a layer to compete for a budget under the `strict` profile, in which pruned blocks stay pruned. */
export function exactCandidate(
  pruner: PrunerState,
  index: number,
  ratio: number,
  scratch: PrunerScratch,
): ExactCandidate {
  const pruned = exactScoresInto(pruner, index, scratch);
  return boundedCandidate(pruner.config, scratch.layers[index].blockScores, pruned, ratio);
}

/**
 * {@link exactCandidate} for a layer with no pruned blocks, whose mask is not read. The candidate's scores may be those
 * of the layer itself.
 */
export function freshCandidate(
  pruner: PrunerState,
  index: number,
  ratio: number,
  scratch: PrunerScratch,
): ExactCandidate {
  const { config, layers } = pruner;
  const layer = layers[index];
  const own = scratch.layers[index];
  if (config.pattern.kind === "group") {
    reserveBlocks(own, blockCount(layer.layout), true);
    writeGroupScoresInto(config.pattern, pruner, index, false, scratch);
  } else {
    own.blockScores = layer.scores ?? NO_SCORES;
    checkFiniteScores(layer, own.blockScores, scratch);
  }
  return boundedCandidate(config, own.blockScores, 0, ratio);
}
