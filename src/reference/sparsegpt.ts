/**
 * SparseGPT by the formulas of the optimal brain surgeon, column by column, without a Cholesky factor: with the inverse
 * G of the damped Hessian of all columns that are left, pruning the first of them costs w^2 / G[0, 0], and changes the
 * others by -w G[0, j] / G[0, 0] (Frantar and Alistarh, "SparseGPT", section 3; U[i, i]^2 of its factor is G[0, 0]).
 * All arithmetic is in double precision.
 */
import ndarray, { type NdArray } from "ndarray";
import type { Profile } from "../prune/config.ts";
import { groupCount, lowest, type Units } from "./calibrated-choice.ts";
import { at, type Matrix, matrixOf } from "./matrix.ts";

/** What to prune, and how. */
export interface SparseGptSettings {
  readonly profile: Profile;
  readonly units: Units;
  readonly target: number;
  /** The number of columns that are chosen together. */
  readonly blockSize: number;
  /** The share of the mean diagonal that is added to the diagonal. */
  readonly damping: number;
}

type Square = NdArray<Float64Array>;

/** A square matrix of zeros. */
function zeros(size: number): Square {
  return ndarray(new Float64Array(size * size), [size, size]);
}

/** The Hessian with a diagonal of 1 for features that are always zero, plus the damping. */
function dampedHessian(hessian: Matrix, damping: number): Square {
  const [size] = hessian.shape;
  const damped = zeros(size);
  for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) damped.set(i, j, at(hessian, i, j));
  const diagonal = Array.from({ length: size }, (_, i) => damped.get(i, i) || 1);
  const mean = diagonal.reduce((sum, value) => sum + value, 0) / size;
  diagonal.forEach((value, i) => {
    damped.set(i, i, value + damping * mean);
  });
  return damped;
}

/** The inverse of the rows and columns from `first`, by elimination of Gauss and Jordan. */
function inverseFrom(matrix: Square, first: number): Square {
  const size = matrix.shape[0] - first;
  const rows = Array.from({ length: size }, (_, i) =>
    Array.from({ length: 2 * size }, (_, j) =>
      j < size ? matrix.get(first + i, first + j) : Number(j === size + i),
    ),
  );
  for (let pivot = 0; pivot < size; pivot++) {
    const scale = rows[pivot][pivot];
    rows[pivot] = rows[pivot].map((value) => value / scale);
    for (let i = 0; i < size; i++) {
      const factor = i === pivot ? 0 : rows[i][pivot];
      rows[i] = rows[i].map((value, j) => value - factor * rows[pivot][j]);
    }
  }
  const inverse = zeros(size);
  for (let i = 0; i < size; i++)
    for (let j = 0; j < size; j++) inverse.set(i, j, rows[i][size + j]);
  return inverse;
}

/** The weight and the mask after pruning, one row for each output, and the error on the calibration data. */
export interface SparseGptResult {
  readonly weight: Matrix;
  readonly mask: Matrix;
  readonly error: number;
}

/** The values while columns are pruned, from left to right. */
interface Progress {
  readonly settings: SparseGptSettings;
  readonly blockSize: number;
  /** One list for each row. */
  readonly values: number[][];
  readonly kept: number[][];
  /** For each row, the groups that lose weights under `strict`. */
  readonly chosen: readonly Set<number>[];
  /** For each column, the inverse of the damped Hessian of that and all later columns. */
  readonly inverses: readonly Square[];
}

/** What it costs to prune an element. */
function costAt({ values, inverses }: Progress, row: number, column: number): number {
  return values[row][column] ** 2 / inverses[column].get(0, 0);
}

/** Under `inc`, prunes all elements of a block up to the cost at the target's place among those of all rows. */
function chooseUpToThreshold(progress: Progress, start: number, end: number): void {
  const { values, kept, settings } = progress;
  const all = values.flatMap((_, row) =>
    Array.from({ length: end - start }, (_, i) => costAt(progress, row, start + i)),
  );
  const threshold = [...all].sort((a, b) => a - b)[Math.floor(all.length * settings.target)];
  all.forEach((cost, i) => {
    const column = start + (i % (end - start));
    if (cost <= threshold) kept[Math.floor(i / (end - start))][column] = 0;
  });
}

/** Under `strict`, chooses the groups of a block that cost least, in each row its share. */
function chooseGroups(progress: Progress, start: number, end: number): void {
  const { values, chosen, settings } = progress;
  const { units, target } = settings;
  const upTo = (column: number): number => groupCount(column / units.of, target, units);
  values.forEach((_, row) => {
    const costs = Array.from({ length: (end - start) / units.of }, (_, group) => {
      const own = Array.from({ length: units.of }, (_, i) =>
        costAt(progress, row, start + group * units.of + i),
      );
      return lowest(own, units.prune).reduce((sum, i) => sum + own[i], 0);
    });
    for (const group of lowest(costs, upTo(end) - upTo(start)))
      chosen[row].add(start / units.of + group);
  });
}

/** Chooses elements of the group that starts at a column, by the values as changed so far. */
function chooseInGroup(progress: Progress, column: number, end: number): void {
  const { values, kept, chosen, settings } = progress;
  const { profile, units } = settings;
  values.forEach((_, row) => {
    if (profile === "strict" && !chosen[row].has(column / units.of)) return;
    const costs = Array.from({ length: Math.min(units.of, end - column) }, (_, i) =>
      costAt(progress, row, column + i),
    );
    for (const i of lowest(costs, units.prune)) kept[row][column + i] = 0;
  });
}

/** Prunes a column in all rows that do not keep it, and returns the errors that this adds. */
function pruneColumn({ values, kept, inverses }: Progress, column: number): number {
  const inverse = inverses[column];
  const pivot = inverse.get(0, 0);
  let error = 0;
  values.forEach((row, i) => {
    if (kept[i][column] === 1) return;
    const w = row[column];
    error += w ** 2 / pivot;
    for (let j = column; j < row.length; j++) row[j] -= (w * inverse.get(0, j - column)) / pivot;
    row[column] = 0;
  });
  return error;
}

/** Prunes a weight without zeros, whose features are not all zero, with columns that the units divide. */
export function sparseGptReference(
  weight: Matrix,
  hessian: Matrix,
  settings: SparseGptSettings,
): SparseGptResult {
  const { profile, units } = settings;
  const [rows, columns] = weight.shape;
  const damped = dampedHessian(hessian, settings.damping);
  const unit = profile === "strict" ? units.of : 1;
  const values = Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (_, column) => at(weight, row, column)),
  );
  const progress: Progress = {
    settings,
    blockSize: Math.ceil(settings.blockSize / unit) * unit,
    values,
    kept: values.map((row) => row.map(() => 1)),
    chosen: values.map(() => new Set<number>()),
    inverses: Array.from({ length: columns }, (_, column) => inverseFrom(damped, column)),
  };
  let error = 0;
  for (let column = 0; column < columns; column++) {
    const inBlock = column % progress.blockSize;
    const end = Math.min(columns, column - inBlock + progress.blockSize);
    if (inBlock === 0 && profile === "strict") chooseGroups(progress, column, end);
    if (inBlock === 0 && profile === "inc" && units.of === 1)
      chooseUpToThreshold(progress, column, end);
    const isElement = units.of === 1 && profile === "inc";
    if (!isElement && inBlock % units.of === 0) chooseInGroup(progress, column, end);
    error += pruneColumn(progress, column);
  }
  const asMatrix = (list: readonly (readonly number[])[]): Matrix =>
    matrixOf(rows, columns, (row, column) => list[row][column]);
  return { weight: asMatrix(values), mask: asMatrix(progress.kept), error };
}
