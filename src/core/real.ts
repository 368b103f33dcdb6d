/**
 * Correctly rounded `pow` and `cos`. `Math.pow` and `Math.cos` may be off by a unit in the last place, which can change
 * the number of pruned blocks. Here, results are computed in fixed point, in units of 2^-256, and rounded once.
 */
import { checkNumber, mismatch } from "./checks.ts";

const ONE: bigint = 1n << 256n;

/** Converts a double to fixed point. */
function fixed(value: number): bigint {
  return BigInt(Math.round(value * 2 ** 256));
}

/**
 * Converts fixed point to the nearest double. The last 64 bits may be wrong, so they are rounded away first; exact
 * results stay exact.
 */
function rounded(value: bigint): number {
  return Number((value + (1n << 63n)) >> 64n) / 2 ** 192;
}

function times(a: bigint, b: bigint): bigint {
  return (a * b) >> 256n;
}

// The series are summed by Horner's rule from their last significant term, as in 1 + x (1/2 + x (1/3 + ...)).

/** The inverse hyperbolic tangent of a fixed-point number from 0 to 1/3. */
function artanh(x: bigint): bigint {
  const square = times(x, x);
  let sum = 0n;
  for (let i = 163n; i > 0n; i -= 2n) sum = ONE / i + times(sum, square);
  return times(sum, x);
}

/** The exponential of a fixed-point number from -1 to 1. */
function exp(x: bigint): bigint {
  let sum = ONE;
  for (let i = 60n; i > 0n; i--) sum = ONE + times(sum, x) / i;
  return sum;
}

/** The natural logarithm of `value` = s 2^n with 1 <= s < 2: 2 artanh((s - 1) / (s + 1)) + n ln 2. */
function log(value: number, ln2: bigint): bigint {
  let significand = value;
  let n = 0n;
  for (; significand >= 2; n++) significand /= 2;
  for (; significand < 1; n--) significand *= 2;
  const s = fixed(significand);
  return 2n * artanh(((s - ONE) * ONE) / (s + ONE)) + n * ln2;
}

/**
 * `base` to the power `exponent`.
 * @throws RangeError for a negative base, or if a positive base gives a result outside 1e-290 to 1e290
 */
export function pow(base: number, exponent: number): number {
  checkNumber("base", base, 0);
  checkNumber("exponent", exponent);
  if (exponent === 0 || base === 1) return 1;
  if (exponent === 1) return base;
  if (base === 0) return exponent > 0 ? 0 : Infinity;
  if (Math.abs(Math.log(base) * exponent) > 667)
    throw new RangeError(
      mismatch("pow", "a result from 1e-290 to 1e290", `${base} ** ${exponent}`),
    );
  const ln2 = 2n * artanh(ONE / 3n);
  const power = times(log(base, ln2), fixed(exponent));
  const n = power / ln2;
  return rounded(exp(power - n * ln2)) * 2 ** Number(n);
}

/**
 * The cosine of an angle in radians: a series for 1/1024 of the angle, then ten angle doublings.
 * @throws RangeError if the angle is below -1000 or above 1000
 */
export function cos(angle: number): number {
  checkNumber("angle", angle, -1000, 1000);
  const part = fixed(angle / 1024);
  const square = times(part, part);
  let cosine = ONE;
  for (let i = 59n; i > 0n; i -= 2n) cosine = ONE - times(cosine, square) / (i * (i + 1n));
  for (let i = 0; i < 10; i++) cosine = 2n * times(cosine, cosine) - ONE;
  return rounded(cosine);
}
