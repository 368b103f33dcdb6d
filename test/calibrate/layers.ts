/** Seeded layers with inputs, for the tests of calibrated pruning. */
import {
  addBatch,
  createStatistics,
  type LayerStatistics,
} from "../../src/calibrate/statistics.ts";
import { nextNormal, openStream } from "../../src/core/random.ts";

export interface SeededLayer {
  readonly layer: { readonly shape: readonly [number, number]; readonly data: Float32Array };
  /** The inputs, one row for each token. */
  readonly inputs: Float32Array;
  readonly statistics: LayerStatistics;
}

/** Normal inputs whose features share `mixing` common factors, and normal weights. */
export function seededLayer(
  seed: number,
  rows: number,
  columns: number,
  tokens: number,
): SeededLayer {
  const stream = openStream(seed, 7);
  const normals = (length: number): Float32Array =>
    Float32Array.from({ length }, () => nextNormal(stream));
  const data = normals(rows * columns);
  const factors = 4;
  const mixing = normals(factors * columns);
  const inputs = normals(tokens * columns);
  for (let token = 0; token < tokens; token++) {
    const common = normals(factors);
    for (let i = 0; i < columns; i++)
      for (let f = 0; f < factors; f++)
        inputs[token * columns + i] =
          (inputs[token * columns + i] ?? 0) + (common[f] ?? 0) * (mixing[f * columns + i] ?? 0);
  }
  const statistics = addBatch(createStatistics(columns), { data: inputs, samples: 1 });
  return { layer: { shape: [rows, columns], data }, inputs, statistics };
}

/** The sum of squared differences of the outputs, in double precision. */
export function outputError(
  before: Float32Array,
  after: Float32Array,
  inputs: Float32Array,
  columns: number,
): number {
  let error = 0;
  for (let row = 0; row < before.length; row += columns)
    for (let token = 0; token < inputs.length; token += columns) {
      let sum = 0;
      for (let i = 0; i < columns; i++)
        sum += ((before[row + i] ?? 0) - (after[row + i] ?? 0)) * (inputs[token + i] ?? 0);
      error += sum * sum;
    }
  return error;
}

/** The zeros of each row of a mask. */
export function prunedOfRows(mask: Uint8Array, columns: number): number[] {
  return Array.from({ length: mask.length / columns }, (_, row) =>
    mask.subarray(row * columns, (row + 1) * columns).reduce((sum, kept) => sum + 1 - kept, 0),
  );
}

/** The largest difference of two arrays, relative to the largest magnitude of the first. */
export function relativeDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [largest, most] = [Number.MIN_VALUE, a.length === b.length ? 0 : Infinity];
  for (let i = 0; i < a.length; i++) {
    largest = Math.max(largest, Math.abs(a[i] ?? 0));
    most = Math.max(most, Math.abs((a[i] ?? 0) - (b[i] ?? 0)));
  }
  return most / largest;
}
