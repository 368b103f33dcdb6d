/** SparseGPT under both profiles: which elements its sweep prunes. */
import type { Profile } from "../prune/config.ts";
import { exactCount } from "../prune/exact.ts";
import { createSelectionScratch, kthSmallest } from "../prune/threshold.ts";
import { type CalibratedPattern, orderOf, pruneLowestInto } from "./choose.ts";
import type { HessianFactor } from "./factor.ts";
import type { WeightMatrix } from "./layer.ts";
import { type Chooser, type Sweep, type Swept, scoreAt, sweepInto } from "./sweep.ts";
import { topKLowest } from "./top-k.ts";

/** What SparseGPT prunes, and how many columns it prunes together. */
export interface SparseGptRule {
  readonly profile: Profile;
  readonly pattern: CalibratedPattern;
  readonly targetSparsity: number;
  readonly blockSize: number;
}

/** Prunes a weight, which is overwritten. */
export function sparseGptInto(
  matrix: WeightMatrix,
  factor: HessianFactor,
  rule: SparseGptRule,
): Swept {
  const { profile, pattern, blockSize } = rule;
  // Under strict, groups do not restart at the end of a block.
  const unit = profile === "strict" && pattern.kind === "group" ? pattern.of : 1;
  const size = Math.ceil(blockSize / unit) * unit;
  return sweepInto(matrix, factor, size, profile === "inc", (sweep) =>
    profile === "inc" ? incChooser(sweep, rule) : strictChooser(sweep, rule),
  );
}

/**
 * INC's choice. Single elements: all scores of a block up to the one at floor(elements x target) of all rows together,
 * so one more than asked and all ties. N:M: in each group, counted from the start of the block, the lowest scores of
 * the weights as updated so far. An incomplete group loses as many.
 */
function incChooser(sweep: Sweep, { pattern, targetSparsity }: SparseGptRule): Chooser {
  const { rows, columns, mask } = sweep;
  if (pattern.kind === "element") {
    const scratch = createSelectionScratch();
    return {
      beginBlock(start, end) {
        const width = end - start;
        const scores = new Float32Array(rows * width);
        for (let i = 0; i < scores.length; i++)
          scores[i] = scoreAt(sweep, Math.floor(i / width), start + (i % width));
        const k = Math.trunc(scores.length * targetSparsity);
        const threshold = kthSmallest([scores], k + 1, scratch, true);
        for (let i = 0; i < scores.length; i++)
          if (scores[i] <= threshold)
            mask[Math.floor(i / width) * columns + start + (i % width)] = 0;
      },
      beginColumn() {},
    };
  }
  const { prune, of } = pattern;
  let first = 0;
  return {
    beginBlock(start) {
      first = start;
    },
    beginColumn(row, column, end) {
      if ((column - first) % of !== 0) return;
      const width = Math.min(of, end - column);
      const scores = Float32Array.from({ length: width }, (_, i) =>
        scoreAt(sweep, row, column + i),
      );
      const place = row * columns + column;
      for (const i of topKLowest(scores, 0, width, prune)) mask[place + i] = 0;
    },
  };
}

/**
 * The choice of `strict`: each row loses exactly its share, divided among the blocks in proportion to their widths, by
 * order of score and then of index. N:M prunes whole groups, those whose scores to prune have the lowest sum. Zeros
 * of the weight stay zero and count.
 */
function strictChooser(sweep: Sweep, { pattern, targetSparsity }: SparseGptRule): Chooser {
  const { rows, columns, mask } = sweep;
  const isZero = sweep.weight.map((w) => Number(w === 0));
  const [of, prune] = pattern.kind === "group" ? [pattern.of, pattern.prune] : [1, 1];
  const units = columns / of;
  const share = (targetSparsity * of) / prune;
  /** The number of zeros of the original weight in a unit. */
  const zerosIn = (row: number, unit: number): number => {
    let zeros = 0;
    for (let i = 0; i < of; i++) zeros += isZero[row * columns + unit * of + i];
    return zeros;
  };
  const isDone = (row: number, unit: number): boolean => zerosIn(row, unit) >= prune;
  const done = new Float64Array(rows).fill(0);
  const total = exactCount(units, share);
  const left = Float64Array.from(done, (_, row) =>
    countUnits(0, units, (unit) => isDone(row, unit)),
  );
  const most = left.map((zero) => Math.max(total, zero));
  const chosen = new Uint8Array(rows * units);
  const chooseRow = (row: number, from: number, to: number): void => {
    const ready = countUnits(from, to, (unit) => isDone(row, unit));
    left[row] -= ready;
    const due = Math.min(exactCount(to, share), most[row] - left[row]) - done[row];
    const count = Math.max(ready, due);
    done[row] += count;
    const costs = Float64Array.from({ length: to - from }, (_, i) =>
      isDone(row, from + i) ? -1 : costOf(sweep, row, (from + i) * of, of, prune),
    );
    for (const i of orderOf(costs, 0, costs.length).slice(0, count))
      chosen[row * units + from + i] = 1;
  };
  return {
    beginBlock(start, end) {
      for (let row = 0; row < rows; row++) chooseRow(row, start / of, end / of);
    },
    beginColumn(row, column) {
      if (column % of !== 0) return;
      const place = row * columns + column;
      const count = chosen[row * units + column / of] === 1 ? prune : 0;
      const scores = Float64Array.from({ length: of }, (_, i) =>
        isZero[place + i] === 1 ? -1 : scoreAt(sweep, row, column + i),
      );
      const zeros = zerosIn(row, column / of);
      pruneLowestInto(mask.subarray(place, place + of), scores, 0, of, Math.max(count, zeros));
    },
  };
}

function countUnits(from: number, to: number, holds: (unit: number) => boolean): number {
  let count = 0;
  for (let unit = from; unit < to; unit++) count += Number(holds(unit));
  return count;
}

/** The sum of the `prune` lowest scores of a unit. */
function costOf(sweep: Sweep, row: number, column: number, of: number, prune: number): number {
  const scores = Float64Array.from({ length: of }, (_, i) =>
    scoreAt(sweep, row, column + i),
  ).sort();
  let cost = 0;
  for (let i = 0; i < prune; i++) cost += scores[i];
  return cost;
}
