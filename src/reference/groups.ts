/** N:M: of every `of` neighbours along a row, `prune` are pruned. */
import { muleq, sum, sup } from "ndarray-ops";
import type { Profile, ScoreReduction } from "../prune/config.ts";
import { asNdarray, type MaskMatrix, type Matrix, maskOfZeros, zeros } from "./matrix.ts";

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
      const group = Array.from({ length: of }, (_, i) => asNdarray(scores).get(row, start + i));
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
): Matrix {
  const [rows = 0, columns = 0] = scores.shape;
  const reduced = zeros(rows, columns / of);
  for (let row = 0; row < rows; row++) {
    for (let group = 0; group < columns / of; group++) {
      const lost = zeros(1, of);
      for (let i = 0; i < of; i++) {
        const column = group * of + i;
        lost.set(0, i, asNdarray(kept).get(row, column) === 1 ? 0 : 1);
      }
      muleq(
        lost,
        asNdarray(scores)
          .lo(row, group * of)
          .hi(1, of),
      );
      const total = reduction === "max" ? sup(lost) : sum(lost);
      reduced.set(row, group, reduction === "mean" ? total / of : total);
    }
  }
  return reduced;
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
