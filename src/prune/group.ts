/** N:M groups: chooses the elements of a group to prune and computes the group's score (INC: `ninm.py`). */
import { roundToBfloat16 } from "./accumulate.ts";
import type { ScoreReduction } from "./config.ts";
import { type BlockLayout, columnOffset, type Pattern } from "./pattern.ts";
import { reduceNeighbours } from "./reduce.ts";

export type GroupPattern = Extract<Pattern, { kind: "group" }>;

/** Working memory for one group. */
export interface GroupScratch {
  readonly values: Float32Array;
  readonly sorted: Float32Array;
  /** 1 for each element to prune. */
  readonly chosen: Uint8Array;
}

export function createGroupScratch(size: number): GroupScratch {
  return {
    values: new Float32Array(size),
    sorted: new Float32Array(size),
    chosen: new Uint8Array(size),
  };
}

/** Index into the weight of element `member` of a group. */
export function memberIndex(
  layout: BlockLayout,
  row: number,
  groupColumn: number,
  member: number,
): number {
  return row * layout.columns + columnOffset(layout, groupColumn * layout.blockWidth + member);
}

/** The n-th smallest of the first `count` values, by insertion into `sorted`. */
function nthSmallest(values: Float32Array, count: number, n: number, sorted: Float32Array): number {
  for (let i = 0; i < count; i++) {
    const value = values[i];
    let at = i;
    while (at > 0 && sorted[at - 1] > value) {
      sorted[at] = sorted[at - 1];
      at--;
    }
    sorted[at] = value;
  }
  return sorted[n - 1];
}

/**
 * Chooses the elements of a group to prune, writes `scratch.chosen`, and returns their number: all elements up to the
 * N-th lowest score, but at most `most`. If `most` is N, the first of equal elements are chosen, if M, all of them.
 */
export function chooseWithinGroupInto(
  { prune, of }: GroupPattern,
  layout: BlockLayout,
  scores: Float32Array,
  row: number,
  groupColumn: number,
  most: number,
  { values, sorted, chosen }: GroupScratch,
): number {
  for (let member = 0; member < of; member++)
    values[member] = scores[memberIndex(layout, row, groupColumn, member)];
  const limit = nthSmallest(values, of, prune, sorted);
  let below = 0;
  for (let i = 0; i < of; i++) if (values[i] < limit) below++;
  let ties = most - below;
  let count = 0;
  for (let i = 0; i < of; i++) {
    const take = values[i] < limit || (values[i] === limit && ties-- > 0);
    chosen[i] = take ? 1 : 0;
    count += chosen[i];
  }
  return count;
}

/** Writes the score of each group, counting the elements that it keeps as 0, and the number of elements it loses. */
export function groupScoresInto(
  pattern: GroupPattern,
  layout: BlockLayout,
  reduction: ScoreReduction,
  lowMemory: boolean,
  most: number,
  scores: Float32Array,
  groupScores: Float32Array,
  losses: Uint16Array,
  scratch: GroupScratch,
): void {
  const { values, chosen } = scratch;
  let group = 0;
  for (let row = 0; row < layout.rows; row++) {
    for (let column = 0; column < layout.blockColumns; column++, group++) {
      losses[group] = chooseWithinGroupInto(pattern, layout, scores, row, column, most, scratch);
      for (let i = 0; i < pattern.of; i++) if (chosen[i] === 0) values[i] = 0;
      groupScores[group] = lowMemory
        ? reduceInBfloat16(reduction, values, pattern.of)
        : reduceNeighbours(reduction, values, 0, pattern.of);
    }
  }
}

/** PyTorch adds bfloat16 in float32, rounds the sum, and divides the rounded sum. */
function reduceInBfloat16(reduction: ScoreReduction, values: Float32Array, count: number): number {
  if (reduction === "max") return reduceNeighbours("max", values, 0, count);
  const sum = roundToBfloat16(reduceNeighbours("sum", values, 0, count));
  return reduction === "mean" ? roundToBfloat16(sum / count) : sum;
}
