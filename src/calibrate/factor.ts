/**
 * Factors the damped Hessian for SparseGPT: U is upper triangular with U'U = H^-1 (INC: `cholesky`,
 * `cholesky_inverse`, `cholesky`).
 */
import { refusePruning } from "../prune/layer.ts";

/** The unit roundoff of float32, in which Hessians are computed. */
const ROUNDOFF = 2 ** -24;

/** A damped Hessian, factored. */
export interface HessianFactor {
  /** U, row-major [columns, columns], with zeros below the diagonal. */
  readonly upper: Float32Array;
  /** For each column, 1 if its diagonal entry in the Hessian is 0: the feature is zero in all data. */
  readonly dead: Uint8Array;
  /** The number that was added to the diagonal. */
  readonly damping: number;
}

/**
 * Factors a Hessian. Dead columns get a diagonal of 1, and then `share` times the mean of the diagonal is added to it.
 *
 * @param name names the Hessian in an error.
 * @throws PruningError `invalid-statistics` if the damped Hessian is not positive definite.
 */
export function factorHessian(
  name: string,
  hessian: Float32Array,
  columns: number,
  share: number,
): HessianFactor {
  const dead = Uint8Array.from({ length: columns }, (_, i) =>
    Number(hessian[i * (columns + 1)] === 0),
  );
  const work = Float64Array.from(hessian);
  let trace = 0;
  for (let i = 0; i < columns; i++) {
    const place = i * (columns + 1);
    if (dead[i] === 1) work[place] = 1;
    trace += work[place];
  }
  const damping = Math.fround(Math.fround(share) * Math.fround(trace / columns));
  for (let i = 0; i < columns; i++) {
    const place = i * (columns + 1);
    work[place] = Math.fround(work[place] + damping);
  }
  // With damping, H is positive definite whatever its rounding. Without, a pivot within the rounding of H is zero.
  factorInto(name, work, columns, share > 0 ? 0 : columns * ROUNDOFF);
  invertInto(work, columns);
  return { upper: Float32Array.from(work), dead, damping };
}

/**
 * Replaces a symmetric matrix, of which the upper triangle is read, with the upper triangular R for which R R' is the
 * matrix. Zeros are written below the diagonal.
 *
 * @param least a pivot of at most `least` times its diagonal entry counts as zero.
 */
function factorInto(name: string, work: Float64Array, columns: number, least: number): void {
  const diagonal = Float64Array.from({ length: columns }, (_, i) => work[i * (columns + 1)]);
  // Works on the lower triangle of the matrix with its columns in reverse order, so that both factors are read by rows.
  const last = columns - 1;
  const rows = new Float64Array(columns * columns);
  for (let i = 0; i < columns; i++) {
    const row = i * columns;
    for (let j = 0; j <= i; j++) {
      const other = j * columns;
      let sum = work[(last - i) * columns + (last - j)];
      for (let k = 0; k < j; k++) sum -= rows[row + k] * rows[other + k];
      if (j < i) rows[row + j] = sum / rows[other + j];
      else if (sum > least * diagonal[last - i]) rows[row + i] = Math.sqrt(sum);
      else
        refusePruning(
          "invalid-statistics",
          name,
          "a positive definite matrix",
          `the pivot ${sum} in column ${last - i}; raise the damping`,
        );
    }
  }
  for (let i = 0; i < columns; i++)
    for (let j = 0; j < columns; j++)
      work[i * columns + j] = j < i ? 0 : rows[(last - i) * columns + (last - j)];
}

/** Replaces an upper triangular matrix with its inverse. */
function invertInto(work: Float64Array, columns: number): void {
  const row = new Float64Array(columns);
  // Row i of the inverse: (e_i - sum over j > i of R[i, j] inverse[j]) / R[i, i]. Later rows are done already.
  for (let i = columns - 1; i >= 0; i--) {
    row.fill(0);
    row[i] = 1;
    const start = i * columns;
    for (let j = i + 1; j < columns; j++) {
      const factor = work[start + j];
      if (factor === 0) continue;
      for (let k = j; k < columns; k++) row[k] -= factor * work[j * columns + k];
    }
    const pivot = work[start + i];
    for (let k = i; k < columns; k++) work[start + k] = row[k] / pivot;
  }
}
