/**
 * PyTorch's arithmetic. Each float32 operation is rounded by `Math.fround`, each bfloat16 operation to eight
 * significant bits, ties to even.
 */

/** Rounds to bfloat16. */
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

/** The e of 2^e <= magnitude < 2^(e + 1). */
function exponentOf(magnitude: number): number {
  const guess = Math.floor(Math.log2(magnitude));
  if (2 ** guess > magnitude) return guess - 1;
  return 2 ** (guess + 1) <= magnitude ? guess + 1 : guess;
}

/**
 * A float32 sum in order. PyTorch adds long lists in another order, which gives the same result if no partial sum is
 * rounded.
 */
export function float32Sum(values: readonly number[]): number {
  return values.reduce((sum, value) => Math.fround(sum + value), 0);
}
