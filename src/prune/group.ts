/**
 * N:M groups: which elements of a group are pruned, and what the group scores (INC: `ninm.py`).
 */
import { roundToBfloat16 } from "./accumulate.ts";
import type { ScoreReduction } from "./config.ts";
import { type BlockLayout, columnOffset, type Pattern } from "./pattern.ts";
import { reduceNeighbours } from "./score.ts";

/** An N:M pattern. */
export type GroupPattern = Extract<Pattern, { kind: "group" }>;

/** Working memory for one group. */
export interface GroupScratch {
  /** The group's scores. */
  values: Float32Array;
  sorted: Float32Array;
  /** 1 where the element is among those to prune. */
  chosen: Uint8Array;
}

/** Makes working memory for groups of `size` elements. */
export function createGroupScratch(size: number): GroupScratch {
  return {
    values: new Float32Array(size),
    sorted: new Float32Array(size),
    chosen: new Uint8Array(size),
  };
}

/** Position in the weight of element `member` of a group. */
export function memberIndex(
  layout: BlockLayout,
  row: number,
  groupColumn: number,
  member: number,
): number {
  return row * layout.columns + columnOffset(layout, groupColumn * layout.blockWidth + member);
}

/** Reads a group's scores into `scratch.values`. */
function gather(
  layout: BlockLayout,
  scores: Float32Array,
  row: number,
  groupColumn: number,
  scratch: GroupScratch,
): void {
  for (let member = 0; member < layout.blockWidth; member++)
    scratch.values[member] = scores[memberIndex(layout, row, groupColumn, member)] as number;
}

/** The n-th smallest of the first `count` values, by insertion. */
function nthSmallest(values: Float32Array, count: number, n: number, sorted: Float32Array): number {
  for (let i = 0; i < count; i++) {
    const value = values[i] as number;
    let at = i;
    while (at > 0 && (sorted[at - 1] as number) > value) {
      sorted[at] = sorted[at - 1] as number;
      at--;
    }
    sorted[at] = value;
  }
  return sorted[n - 1] as number;
}

/**
 * Chooses the elements of a group to prune into `scratch.chosen` and returns their number: all up to
 * the N-th smallest score, ties included, or with `exact` N of them, ties by position.
 */
export function chooseWithinGroup(
  pattern: GroupPattern,
  layout: BlockLayout,
  scores: Float32Array,
  row: number,
  groupColumn: number,
  exact: boolean,
  scratch: GroupScratch,
): number {
  gather(layout, scores, row, groupColumn, scratch);
  const { values, chosen } = scratch;
  const limit = nthSmallest(values, pattern.of, pattern.prune, scratch.sorted);
  let below = 0;
  for (let i = 0; i < pattern.of; i++) if ((values[i] as number) < limit) below++;
  let ties = exact ? pattern.prune - below : pattern.of;
  let count = 0;
  for (let i = 0; i < pattern.of; i++) {
    const value = values[i] as number;
    const take = value < limit || (value === limit && ties-- > 0);
    chosen[i] = take ? 1 : 0;
    count += take ? 1 : 0;
  }
  return count;
}

/**
 * One score per group, from its least N elements with the others taken as 0; and how many elements a
 * pruned group loses.
 */
export function groupScoresInto(
  pattern: GroupPattern,
  layout: BlockLayout,
  reduction: ScoreReduction,
  lowMemory: boolean,
  exact: boolean,
  scores: Float32Array,
  groupScores: Float32Array,
  losses: Uint16Array,
  scratch: GroupScratch,
): void {
  let group = 0;
  for (let row = 0; row < layout.rows; row++) {
    for (let column = 0; column < layout.blockColumns; column++, group++) {
      losses[group] = chooseWithinGroup(pattern, layout, scores, row, column, exact, scratch);
      const { values, chosen } = scratch;
      for (let i = 0; i < pattern.of; i++) if (chosen[i] === 0) values[i] = 0;
      groupScores[group] = lowMemory
        ? reduceInBfloat16(reduction, values, pattern.of)
        : reduceNeighbours(reduction, values, 0, pattern.of);
    }
  }
}

/** PyTorch sums bfloat16 in float32, rounds the sum, and divides the rounded sum. */
function reduceInBfloat16(reduction: ScoreReduction, values: Float32Array, count: number): number {
  if (reduction === "max") return reduceNeighbours("max", values, 0, count);
  const sum = roundToBfloat16(reduceNeighbours("sum", values, 0, count));
  return reduction === "mean" ? roundToBfloat16(sum / count) : sum;
}
