/** N:M groups: chooses which elements of a group to prune, and computes the group's score (INC: `ninm.py`). */
import { roundToBfloat16 } from "./accumulate.ts";
import type { ScoreReduction } from "./config.ts";
import { type BlockLayout, columnOffset, isFourInLine, type Pattern } from "./pattern.ts";
import { reduceNeighbours } from "./reduce.ts";

export type GroupPattern = Extract<Pattern, { kind: "group" }>;

/** The index into the weight's data of element `member` of a group. */
export function memberIndex(
  layout: BlockLayout,
  row: number,
  groupColumn: number,
  member: number,
): number {
  return row * layout.columns + columnOffset(layout, groupColumn * layout.blockWidth + member);
}

/**
 * {@link groupScoresInto} for groups of four and float32 sums. No branch depends on scores, because it would be
 * mispredicted half of the time.
 */
function scoresOfFourInto(
  prune: number,
  allTies: boolean,
  divisor: number,
  scores: Float32Array,
  groupScores: Float32Array,
  groupMask: Uint8Array,
): void {
  const { fround } = Math;
  for (let group = 0, i = 0; i < scores.length; group++, i += 4) {
    const a = scores[i];
    const b = scores[i + 1];
    const c = scores[i + 2];
    const d = scores[i + 3];
    const ba = Number(b < a);
    const ca = Number(c < a);
    const da = Number(d < a);
    const cb = Number(c < b);
    const db = Number(d < b);
    const dc = Number(d < c);
    let tiedB = 0;
    let tiedC = 0;
    let tiedD = 0;
    if (allTies) {
      tiedB = Number(a === b);
      tiedC = Number(a === c) + Number(b === c);
      tiedD = Number(a === d) + Number(b === d) + Number(c === d);
    }
    const keepsA = Number(ba + ca + da >= prune);
    const keepsB = Number(1 - ba + cb + db - tiedB >= prune);
    const keepsC = Number(2 - ca - cb + dc - tiedC >= prune);
    const keepsD = Number(3 - da - db - dc - tiedD >= prune);
    groupMask[i] = keepsA;
    groupMask[i + 1] = keepsB;
    groupMask[i + 2] = keepsC;
    groupMask[i + 3] = keepsD;
    const ab = fround(a * (1 - keepsA) + b * (1 - keepsB));
    const abc = fround(ab + c * (1 - keepsC));
    groupScores[group] = fround(abc + d * (1 - keepsD)) / divisor;
  }
}

/**
 * Reduces the scores of each group's elements to one score, with 0 for elements that are kept even if the group is
 * pruned. These are the elements that come after at least N others in ascending order of scores. Elements with equal
 * scores are ordered by position; with `allTies`, none of them comes before another.
 *
 * @param groupMask receives the mask that the layer would have if all groups were pruned.
 * @param values working memory for the scores of one group.
 */
export function groupScoresInto(
  { prune, of }: GroupPattern,
  layout: BlockLayout,
  reduction: ScoreReduction,
  lowMemory: boolean,
  allTies: boolean,
  scores: Float32Array,
  groupScores: Float32Array,
  groupMask: Uint8Array,
  values: Float32Array,
): void {
  if (isFourInLine(layout) && !lowMemory && reduction !== "max") {
    const divisor = reduction === "mean" ? of : 1;
    scoresOfFourInto(prune, allTies, divisor, scores, groupScores, groupMask);
    return;
  }
  let group = 0;
  for (let row = 0; row < layout.rows; row++) {
    for (let column = 0; column < layout.blockColumns; column++, group++) {
      for (let i = 0; i < of; i++) values[i] = scores[memberIndex(layout, row, column, i)];
      for (let i = 0; i < of; i++) {
        const value = values[i];
        let before = 0;
        for (let j = 0; j < of; j++)
          before += Number(values[j] < value || (j < i && values[j] === value && !allTies));
        groupMask[memberIndex(layout, row, column, i)] = Number(before >= prune);
      }
      for (let i = 0; i < of; i++)
        if (groupMask[memberIndex(layout, row, column, i)] === 1) values[i] = 0;
      groupScores[group] = lowMemory
        ? reduceInBfloat16(reduction, values, of)
        : reduceNeighbours(reduction, values, 0, of);
    }
  }
}

/** Reduces values as PyTorch does in bfloat16: adds them in float32, rounds the sum, and divides the rounded sum. */
function reduceInBfloat16(reduction: ScoreReduction, values: Float32Array, count: number): number {
  if (reduction === "max") return reduceNeighbours("max", values, 0, count);
  const sum = roundToBfloat16(reduceNeighbours("sum", values, 0, count));
  return reduction === "mean" ? roundToBfloat16(sum / count) : sum;
}
