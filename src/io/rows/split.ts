/** Draws validation rows from a training file, by seed. */
import { checkInteger, checkNumber } from "../../core/checks.ts";
import { openStream, permutation, STREAM } from "../../core/random.ts";
import type { RowLabels } from "./labels.ts";

/** The indices of training and validation rows, each ascending. Together they are all given rows. */
export interface RowSplit {
  readonly training: Uint32Array;
  readonly validation: Uint32Array;
}

/**
 * Divides rows into training and validation rows. Of n rows of a label, `share` x n rounded are drawn, at least 1 and at
 * most n - 1; a label of one row stays in training. For regression and several labels a row, the rule is for all rows.
 * The same seed and rows give the same division.
 *
 * @param kept the indices of the rows to divide
 * @param share between 0 and 1
 */
export function splitRows(
  kept: Uint32Array,
  labels: RowLabels,
  share: number,
  seed: number,
): RowSplit {
  checkNumber("share", share, 0, 1);
  checkInteger("seed", seed);
  const groups = new Map<number, number[]>();
  for (const row of kept) {
    const key = labels.problemType === "single_label_classification" ? labels.ids[row] : 0;
    const group = groups.get(key as number);
    if (group === undefined) groups.set(key as number, [row]);
    else group.push(row);
  }
  const isDrawn = new Set<number>();
  for (const [key, rows] of groups) {
    const order = permutation(openStream(seed, STREAM.split, key), rows.length);
    for (const index of order.subarray(0, drawnOf(rows.length, share)))
      isDrawn.add(rows[index] as number);
  }
  return {
    training: kept.filter((row) => !isDrawn.has(row)),
    validation: kept.filter((row) => isDrawn.has(row)),
  };
}

function drawnOf(rows: number, share: number): number {
  if (rows < 2) return 0;
  return Math.max(1, Math.min(rows - 1, Math.floor(rows * share + 0.5)));
}
