/**
 * A pruner's layers as they compete for a prune step's budget, and the working memory for it.
 */
import type { Candidate } from "./budget.ts";
import { CRITERIA } from "./criteria.ts";
import { type ExactCandidate, exactCount } from "./exact.ts";
import {
  createGroupScratch,
  type GroupPattern,
  type GroupScratch,
  groupScoresInto,
} from "./group.ts";
import { refusePruning } from "./layer.ts";
import { countOwnBlocks, hasWholeRowsOfBlocks, markPrunedInto } from "./mask.ts";
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

/** A layer that competes for a budget. */
export interface Competitor {
  readonly layer: PrunedLayer;
  readonly own: LayerScratch;
}

/** Working memory of one pruner at a prune step. */
export interface ReplaceScratch {
  readonly selection: SelectionScratch;
  readonly group: GroupScratch;
  /** One row of the widest mask. */
  readonly row: Uint8Array;
  readonly layers: readonly LayerScratch[];
}

/** Makes the working memory of a pruner; layers' parts grow at the first prune step. */
export function createReplaceScratch(
  pruner: PrunerState,
  selection: SelectionScratch,
): ReplaceScratch {
  const { pattern } = pruner.config;
  const widest = pruner.layers.reduce((most, { layout }) => Math.max(most, layout.columns), 0);
  return {
    selection,
    row: new Uint8Array(widest),
    group: createGroupScratch(pattern.kind === "group" ? pattern.of : 0),
    layers: pruner.layers.map(() => ({
      blockScores: new Float32Array(0),
      losses: new Uint16Array(0),
      flags: new Uint8Array(0),
    })),
  };
}

/** Makes a layer's parts large enough; the scores of whole blocks need neither losses nor flags. */
function reserve(scratch: LayerScratch, blocks: number, whole: boolean): void {
  if (scratch.blockScores.length !== blocks) scratch.blockScores = new Float32Array(blocks);
  if (whole || scratch.flags.length === blocks) return;
  scratch.losses = new Uint16Array(blocks);
  scratch.flags = new Uint8Array(blocks);
}

const NO_SCORES = new Float32Array(0);

/**
 * Refuses a score that is not finite before it is used up: a group's score may leave a NaN out, and
 * exact selection gives infinities a meaning of its own.
 */
function refuseScore({ name }: PrunedLayer, scores: Float32Array, position: number): never {
  refusePruning(
    "invalid-score",
    name,
    "finite scores",
    `${scores[position]} at position ${position}`,
    name,
  );
}

function checkFiniteScores(layer: PrunedLayer, scores: Float32Array): void {
  for (let i = 0; i < scores.length; i++)
    if (!Number.isFinite(scores[i])) refuseScore(layer, scores, i);
}

/** Writes one score per group into the layer's scratch. */
function groupScores(
  pattern: GroupPattern,
  pruner: PrunerState,
  layer: PrunedLayer,
  exact: boolean,
  own: LayerScratch,
  scratch: ReplaceScratch,
): void {
  const { scoreReduction, lowMemoryUsage, criterion } = pruner.config;
  const scores = layer.scores ?? NO_SCORES;
  checkFiniteScores(layer, scores);
  groupScoresInto(
    pattern,
    layer.layout,
    scoreReduction,
    lowMemoryUsage && CRITERIA[criterion].decay !== null,
    exact,
    scores,
    own.blockScores,
    own.losses,
    scratch.group,
  );
}

/** What a block's entry in the mask takes from its score: all of it where it is pruned. */
const TAKEN: readonly number[] = [Number.POSITIVE_INFINITY, 0];

/**
 * Copies the scores of whole blocks, with -Infinity for those already pruned, and returns the number of the
 * latter. One pass reads the scores, and of the mask the first row of each row of blocks. No branch depends on the
 * mask, since it would be mispredicted for every other block.
 */
function wholeBlockScoresInto(layer: PrunedLayer, scores: Float32Array, out: Float32Array): number {
  const { layout, mask } = layer;
  const { blockHeight, blockWidth: width, columns } = layout;
  let kept = 0;
  let block = 0;
  for (let start = 0; start < mask.length; start += blockHeight * columns) {
    for (let at = start; at < start + columns; at += width, block++) {
      const score = scores[block] as number;
      // The difference is 0 for finite numbers and NaN for the others.
      if (score - score !== 0) refuseScore(layer, scores, block);
      const entry = mask[at] as number;
      kept += entry;
      out[block] = score - (TAKEN[entry] as number);
    }
  }
  return out.length - kept;
}

/** Writes one score per block, with -Infinity for those already pruned, and returns the number of the latter. */
function exactScoresInto(
  pruner: PrunerState,
  layer: PrunedLayer,
  own: LayerScratch,
  scratch: ReplaceScratch,
): number {
  const { pattern } = pruner.config;
  const { layout, mask } = layer;
  const whole = hasWholeRowsOfBlocks(pattern, layout);
  reserve(own, blockCount(layout), whole);
  const { blockScores, flags } = own;
  const scores = layer.scores ?? NO_SCORES;
  if (whole) return wholeBlockScoresInto(layer, scores, blockScores);
  if (pattern.kind === "group") groupScores(pattern, pruner, layer, true, own, scratch);
  else {
    checkFiniteScores(layer, scores);
    blockScores.set(scores);
  }
  const pruned = markPrunedInto(pattern, layout, mask, true, flags);
  for (let block = 0; block < blockScores.length; block++)
    if (flags[block] === 1) blockScores[block] = -Infinity;
  return pruned;
}

/** A pruner's layer as INC's budget sees it. */
export function incCandidate(
  pruner: PrunerState,
  { layer, own }: Competitor,
  scratch: ReplaceScratch,
): Candidate {
  const { pattern } = pruner.config;
  const { name, layout, frozen } = layer;
  const current = countOwnBlocks(pattern, layout, layer.mask, false);
  if (frozen || pattern.kind === "block")
    return { name, scores: layer.scores ?? NO_SCORES, counted: null, current, frozen };
  reserve(own, blockCount(layout), false);
  groupScores(pattern, pruner, layer, false, own, scratch);
  const { losses, flags, blockScores } = own;
  for (let i = 0; i < losses.length; i++)
    flags[i] = pattern.of - (losses[i] as number) <= pattern.prune ? 1 : 0;
  return { name, scores: blockScores, counted: flags, current, frozen };
}

/** A layer under exact selection: blocks already pruned stay so, and its bounds are counts. */
export function exactCandidate(
  pruner: PrunerState,
  { layer, own }: Competitor,
  ratio: number,
  scratch: ReplaceScratch,
): ExactCandidate {
  const { pattern, minSparsityRatioPerOp, maxSparsityRatioPerOp } = pruner.config;
  const pruned = exactScoresInto(pruner, layer, own, scratch);
  const { blockScores } = own;
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
