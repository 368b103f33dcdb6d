/**
 * N:M patterns prune N of every M consecutive elements in a row (INC:
 * `PytorchPatternNInM.get_least_ninm_mask_from_data`, `reduce_scores`). The scores of a group's elements are reduced to
 * one score, with 0 for elements that are kept even if the group is pruned. PyTorch adds bfloat16 scores in float32,
 * rounds the sum, and divides the rounded sum.
 */
import type { Profile, ScoreReduction } from "../prune/config.ts";
import { reduced } from "./blocks.ts";
import { at, linesOf, type MaskMatrix, type Matrix, maskOf, matrixOf } from "./matrix.ts";
import { bfloat16 } from "./rounding.ts";

/**
 * Returns the mask that a layer would have if all groups were pruned. Each group loses the `prune` elements with the
 * lowest scores, with ties broken by position (`strict`), or all elements with scores up to the `prune`-th lowest
 * (`inc`).
 */
export function keptWithinGroups(
  scores: Matrix,
  prune: number,
  of: number,
  profile: Profile,
): MaskMatrix {
  const [rows, columns] = scores.shape;
  return maskOf(rows, columns, (row, column) => {
    const [group] = linesOf(scores, { height: 1, width: of }, row, Math.floor(column / of));
    const sorted = [...group.keys()].sort((a, b) => group[a] - group[b] || a - b);
    const member = column % of;
    return profile === "inc"
      ? !(group[member] <= group[sorted[prune - 1]])
      : sorted.indexOf(member) >= prune;
  });
}

/** Computes one score per group, with 0 for elements that are kept even if the group is pruned. */
export function groupScores(
  scores: Matrix,
  kept: MaskMatrix,
  of: number,
  reduction: ScoreReduction,
  lowMemory: boolean = false,
): Matrix {
  const [rows, columns] = scores.shape;
  return matrixOf(rows, columns / of, (row, group) => {
    const members = Array.from({ length: of }, (_, i) => group * of + i);
    const lost = members.map((column) =>
      at(kept, row, column) === 1 ? 0 : at(scores, row, column),
    );
    return lowMemory ? reducedLow(lost, reduction) : reduced(lost, reduction);
  });
}

function reducedLow(values: readonly number[], reduction: ScoreReduction): number {
  if (reduction === "max") return reduced(values, "max");
  const sum = bfloat16(reduced(values, "sum"));
  return reduction === "mean" ? bfloat16(sum / values.length) : sum;
}

/**
 * Expands a mask with one entry per group to a mask with one entry per element. In a pruned group, the elements with a
 * 0 in `kept` are pruned.
 */
export function expandGroups(groups: MaskMatrix, kept: MaskMatrix, of: number): MaskMatrix {
  const [rows, columns] = kept.shape;
  return maskOf(
    rows,
    columns,
    (row, column) => at(groups, row, Math.floor(column / of)) === 1 || at(kept, row, column) === 1,
  );
}
