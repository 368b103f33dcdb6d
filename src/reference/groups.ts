/**
 * N:M: of every M neighbours along a row, N are pruned (INC: `PytorchPatternNInM.get_least_ninm_mask_from_data`,
 * `reduce_scores`). A group's score is that of the elements it would lose, the others taken as 0. With bfloat16
 * scores PyTorch adds in float32, rounds the sum, and divides the rounded sum.
 */
import type { Profile, ScoreReduction } from "../prune/config.ts";
import { reduced } from "./blocks.ts";
import { asNdarray, elements, type MaskMatrix, type Matrix, maskOfZeros, zeros } from "./matrix.ts";
import { bfloat16 } from "./rounding.ts";

/**
 * A mask that has 0 for the elements each group would lose: its `prune` lowest scores, the first of
 * equals first (`strict`), or all up to the `prune`-th lowest (`inc`).
 */
export function keptWithinGroups(
  scores: Matrix,
  prune: number,
  of: number,
  profile: Profile,
): MaskMatrix {
  const [rows = 0, columns = 0] = scores.shape;
  const kept = maskOfZeros(rows, columns);
  for (let row = 0; row < rows; row++) {
    for (let start = 0; start < columns; start += of) {
      const group = elements(asNdarray(scores).lo(row, start).hi(1, of));
      const sorted = [...group.keys()].sort((a, b) => Number(group[a]) - Number(group[b]) || a - b);
      const limit = Number(group[sorted[prune - 1] ?? 0]);
      group.forEach((score, i) => {
        const lost = profile === "inc" ? score <= limit : sorted.indexOf(i) < prune;
        kept.set(row, start + i, lost ? 0 : 1);
      });
    }
  }
  return kept;
}

/** One score per group: its elements reduced, those it would keep taken as 0. */
export function groupScores(
  scores: Matrix,
  kept: MaskMatrix,
  of: number,
  reduction: ScoreReduction,
  lowMemory: boolean = false,
): Matrix {
  const [rows = 0, columns = 0] = scores.shape;
  const groups = zeros(rows, columns / of);
  for (let row = 0; row < rows; row++) {
    for (let group = 0; group < columns / of; group++) {
      const members = Array.from({ length: of }, (_, i) => group * of + i);
      const lost = members.map((column) =>
        asNdarray(kept).get(row, column) === 1 ? 0 : asNdarray(scores).get(row, column),
      );
      groups.set(row, group, lowMemory ? reducedLow(lost, reduction) : reduced(lost, reduction));
    }
  }
  return groups;
}

/** Reduces bfloat16 values. */
function reducedLow(values: readonly number[], reduction: ScoreReduction): number {
  if (reduction === "max") return reduced(values, "max");
  const sum = bfloat16(reduced(values, "sum"));
  return reduction === "mean" ? bfloat16(sum / values.length) : sum;
}

/** A mask of elements: those that a pruned group loses are 0. */
export function expandGroups(groups: MaskMatrix, kept: MaskMatrix, of: number): MaskMatrix {
  const [rows = 0, columns = 0] = kept.shape;
  const mask = maskOfZeros(rows, columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const groupKept = asNdarray(groups).get(row, Math.floor(column / of)) === 1;
      mask.set(row, column, groupKept || asNdarray(kept).get(row, column) === 1 ? 1 : 0);
    }
  }
  return mask;
}
