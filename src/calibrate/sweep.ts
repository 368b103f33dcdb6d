/**
 * SparseGPT's sweep over the columns of a weight: prunes a column, and lets all later columns make up for it (Frantar
 * and Alistarh, "SparseGPT", ICML 2023, algorithm 1; INC: `fasterprune` of `PytorchPatternNxM` and
 * `PytorchPatternNInM`). Arithmetic is float32, as in INC. Sums over the columns of a block are in double precision.
 */
import type { HessianFactor } from "./factor.ts";
import type { WeightMatrix } from "./layer.ts";

/** The state of a sweep. */
export interface Sweep {
  readonly rows: number;
  readonly columns: number;
  /** The weight, updated in place up to the current column. */
  readonly weight: Float32Array;
  /** 1 for each kept element. */
  readonly mask: Uint8Array;
  readonly factor: HessianFactor;
}

/** Decides what a sweep prunes, by writing zeros into its mask. */
export interface Chooser {
  /** Called before the columns from `start` to `end` are pruned in all rows. */
  beginBlock(start: number, end: number): void;
  /** Called for each row before a column of the block up to `end` is pruned in it. */
  beginColumn(row: number, column: number, end: number): void;
}

/** The score of an element: w^2 / U[i, i]^2, the error that pruning it causes; 0 for a dead column. */
export function scoreAt({ columns, weight, factor }: Sweep, row: number, column: number): number {
  if (factor.dead[column] === 1) return 0;
  const { fround } = Math;
  const w = weight[row * columns + column];
  const u = factor.upper[column * (columns + 1)];
  return fround(fround(w * w) / fround(u * u));
}

/** The result of a sweep. */
export interface Swept {
  readonly weight: Float32Array;
  readonly mask: Uint8Array;
  /** The sum of squared updates: tr(D H D') for the change D of the weight and the damped Hessian H. */
  readonly error: number;
}

/**
 * Prunes a weight.
 *
 * @param matrix the weight, which is overwritten.
 * @param zeroesDead whether the weights of dead columns become zero before anything is pruned, as in INC.
 */
export function sweepInto(
  matrix: WeightMatrix,
  factor: HessianFactor,
  blockSize: number,
  zeroesDead: boolean,
  chooserOf: (sweep: Sweep) => Chooser,
): Swept {
  const { rows, columns, data: weight } = matrix;
  const mask = new Uint8Array(weight.length).fill(1);
  const sweep: Sweep = { rows, columns, weight, mask, factor };
  if (zeroesDead)
    for (let i = 0; i < weight.length; i++) if (factor.dead[i % columns] === 1) weight[i] = 0;
  const chooser = chooserOf(sweep);
  const later = new Float64Array(columns);
  const updates = new Float32Array(blockSize);
  let error = 0;
  for (let start = 0; start < columns; start += blockSize) {
    const end = Math.min(start + blockSize, columns);
    chooser.beginBlock(start, end);
    for (let row = 0; row < rows; row++) {
      error += sweepRowInto(sweep, chooser, row, start, end, updates);
      updateLaterInto(sweep, row, start, end, updates, later);
    }
  }
  return { weight, mask, error };
}

/** Prunes the columns of a block in one row, and returns the sum of squared updates, which `updates` receives. */
function sweepRowInto(
  { columns, weight, mask, factor }: Sweep,
  chooser: Chooser,
  row: number,
  start: number,
  end: number,
  updates: Float32Array,
): number {
  const { fround } = Math;
  const { upper, dead } = factor;
  const first = row * columns;
  let error = 0;
  for (let column = start; column < end; column++) {
    chooser.beginColumn(row, column, end);
    const place = first + column;
    const w = weight[place];
    updates[column - start] = 0;
    if (mask[place] === 1 || w === 0) continue;
    weight[place] = 0;
    if (dead[column] === 1) continue;
    const line = column * columns;
    const update = fround(w / upper[line + column]);
    updates[column - start] = update;
    error += update * update;
    for (let i = column + 1; i < end; i++) weight[first + i] -= fround(update * upper[line + i]);
  }
  return error;
}

/** Subtracts the updates of a block from the later columns of a row. Four at a time, which share their writes. */
function updateLaterInto(
  { columns, weight, factor: { upper } }: Sweep,
  row: number,
  start: number,
  end: number,
  updates: Float32Array,
  later: Float64Array,
): void {
  if (end === columns) return;
  later.fill(0, end);
  const width = columns - end;
  for (let i = start; i < end; ) {
    // The next four updates that are not 0. Those that are missing at the end read the last line, times 0.
    const [factors, lines] = [[0, 0, 0, 0], [end, end, end, end].map(() => (end - 1) * columns)];
    for (let k = 0; i < end && k < 4; i++)
      if (updates[i - start] !== 0) {
        factors[k] = updates[i - start];
        lines[k++] = i * columns;
      }
    const [a, b, c, d] = factors;
    const [p, q, r, s] = lines.map((line) => line + end);
    for (let j = 0; j < width; j++)
      later[end + j] += a * upper[p + j] + b * upper[q + j] + (c * upper[r + j] + d * upper[s + j]);
  }
  const first = row * columns;
  for (let column = end; column < columns; column++)
    weight[first + column] -= Math.fround(later[column]);
}
