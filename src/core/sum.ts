/** The sum of `measure(item)` over all items. */
export function sumOf<T>(items: readonly T[], measure: (item: T) => number): number {
  return items.reduce((sum, item) => sum + measure(item), 0);
}

/** The sum of squares in double precision, as four partial sums: a single one would wait for each addition. */
export function sumOfSquares(values: Float32Array): number {
  const { length } = values;
  let [a, b, c, d] = [0, 0, 0, 0];
  let i = 0;
  for (; i + 3 < length; i += 4) {
    a += values[i] * values[i];
    b += values[i + 1] * values[i + 1];
    c += values[i + 2] * values[i + 2];
    d += values[i + 3] * values[i + 3];
  }
  for (; i < length; i++) a += values[i] * values[i];
  return a + b + (c + d);
}
