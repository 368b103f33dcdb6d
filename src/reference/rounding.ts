/**
 * Arithmetic as in PyTorch. `Math.fround` rounds the result of each float32 operation. The result of each bfloat16
 * operation is rounded to eight significant bits, ties to even.
 */

/** Rounds a number to the nearest bfloat16 number, ties to even. */
export function bfloat16(value: number): number {
  const single = Math.fround(value);
  if (single === 0 || !Number.isFinite(single)) return single;
  const exponent = Math.max(-126, exponentOf(Math.abs(single)));
  const spacing = 2 ** (exponent - 7);
  const quotient = single / spacing;
  const below = Math.floor(quotient);
  const isTie = quotient - below === 0.5;
  const nearest = isTie ? below + (below % 2 === 0 ? 0 : 1) : Math.round(quotient);
  return nearest * spacing;
}

/** The exponent e for which 2^e <= magnitude < 2^(e + 1). */
function exponentOf(magnitude: number): number {
  const guess = Math.floor(Math.log2(magnitude));
  if (2 ** guess > magnitude) return guess - 1;
  return 2 ** (guess + 1) <= magnitude ? guess + 1 : guess;
}

/**
 * Adds values in float32, from the first to the last. PyTorch adds long lists in a different order. The results are
 * equal if no partial sum has to be rounded.
 */
export function float32Sum(values: readonly number[]): number {
  return values.reduce((sum, value) => Math.fround(sum + value), 0);
}
