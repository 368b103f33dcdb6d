/** The product X'X of a matrix with itself, on which the Hessian is based. */

/**
 * Writes X'X into `out` [columns, columns]. X is row-major [tokens, columns], and `out` may not alias it. An
 * implementation may be a compiled kernel.
 */
export type GramInto = (x: Float32Array, columns: number, out: Float32Array) => void;

/** The number of tokens whose transposed features are read together. */
const CHUNK = 256;

/** {@link GramInto} in double precision. Computes one triangle and mirrors it. */
export const gramInto: GramInto = (x, columns, out) => {
  const tokens = x.length / columns;
  const sums = new Float64Array(columns * columns);
  const turned = new Float32Array(columns * CHUNK);
  for (let start = 0; start < tokens; start += CHUNK) {
    const length = Math.min(CHUNK, tokens - start);
    for (let t = 0; t < length; t++)
      for (let i = 0; i < columns; i++) turned[i * length + t] = x[(start + t) * columns + i];
    for (let i = 0; i < columns; i++) addRowInto(turned, i, length, columns, sums);
  }
  for (let i = 0; i < columns; i++)
    for (let j = i; j < columns; j++)
      out[i * columns + j] = out[j * columns + i] = sums[i * columns + j];
};

/** Adds the products of feature `i` with itself and all later features. Four at a time, which share their reads. */
function addRowInto(
  turned: Float32Array,
  i: number,
  length: number,
  columns: number,
  sums: Float64Array,
): void {
  const own = i * length;
  let j = i;
  for (; j + 3 < columns; j += 4) {
    let [a, b, c, d] = [0, 0, 0, 0];
    for (let t = 0, at = j * length; t < length; t++, at++) {
      const value = turned[own + t];
      a += value * turned[at];
      b += value * turned[at + length];
      c += value * turned[at + 2 * length];
      d += value * turned[at + 3 * length];
    }
    const place = i * columns + j;
    sums[place] += a;
    sums[place + 1] += b;
    sums[place + 2] += c;
    sums[place + 3] += d;
  }
  for (; j < columns; j++) {
    let a = 0;
    for (let t = 0; t < length; t++) a += turned[own + t] * turned[j * length + t];
    sums[i * columns + j] += a;
  }
}
