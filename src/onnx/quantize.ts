/** Rounds matrices to eight bits for each element, with a scale for each row. */
import { refuseInput } from "../core/either.ts";

/** The largest integer: the range is symmetric, so that the zero point is 0 and zeros stay zeros. */
const LARGEST = 127;

/**
 * The largest scale that, times {@link LARGEST}, is finite in float32. The largest float32 number is (2^30 - 2^6) 2^98,
 * and scales of this size are multiples of 2^98.
 */
const LARGEST_SCALE = Math.floor((2 ** 30 - 2 ** 6) / LARGEST) * 2 ** 98;

/** A matrix of 8-bit integers. Row r stands for `scales[r]` times its integers. */
export interface QuantizedRows {
  readonly values: Int8Array;
  readonly scales: Float32Array;
  /** The largest difference from the given elements. */
  readonly error: number;
}

/** Rounds the rows of a matrix. @throws InputError if an element is not finite */
export function quantizeRows(name: string, rows: number, data: Float32Array): QuantizedRows {
  const columns = data.length / rows;
  const values = new Int8Array(data.length);
  const scales = new Float32Array(rows);
  let error = 0;
  for (let row = 0; row < rows; row++) {
    const begin = row * columns;
    const end = begin + columns;
    // A row of zeros needs a scale, too.
    const exact = largestIn(name, data, begin, end) / LARGEST;
    const scale = Math.fround(Math.min(exact, LARGEST_SCALE)) || 1;
    scales[row] = scale;
    for (let i = begin; i < end; i++) {
      const value = data[i] ?? 0;
      const rounded = Math.max(-LARGEST, Math.min(LARGEST, roundToEven(value / scale)));
      values[i] = rounded;
      error = Math.max(error, Math.abs(value - Math.fround(rounded * scale)));
    }
  }
  return { values, scales, error };
}

function largestIn(name: string, data: Float32Array, begin: number, end: number): number {
  let largest = 0;
  for (let i = begin; i < end; i++) {
    const size = Math.abs(data[i] ?? 0);
    if (!Number.isFinite(size)) refuseInput(`${name}[${i}]`, "a finite element", String(data[i]));
    if (size > largest) largest = size;
  }
  return largest;
}

/** Rounds to the nearest integer, and halves to the even one, as QuantizeLinear does. */
function roundToEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}
