/**
 * Correctly rounded `pow` and `cos`. `Math.pow` and `Math.cos` may be off by a unit in the last place,
 * and a schedule's target that is off by one unit can cost a block. Both are computed in double-double
 * arithmetic (two doubles, about 106 bits; Dekker, "A floating-point technique for extending the
 * available precision", 1971) with an error below 2^-90 of the result, then rounded once.
 */
import { checkNumber } from "./checks.ts";

/** An unevaluated sum: value = high + low with |low| at most half a unit in the last place of high. */
type DoubleDouble = readonly [high: number, low: number];

const SPLITTER = 134217729; // 2^27 + 1

/** Sum of two doubles with its rounding error. */
function twoSum(a: number, b: number): DoubleDouble {
  const sum = a + b;
  const bPart = sum - a;
  return [sum, a - (sum - bPart) + (b - bPart)];
}

/** Product of two doubles with its rounding error. */
function twoProduct(a: number, b: number): DoubleDouble {
  const product = a * b;
  const aBig = SPLITTER * a;
  const aHigh = aBig - (aBig - a);
  const aLow = a - aHigh;
  const bBig = SPLITTER * b;
  const bHigh = bBig - (bBig - b);
  const bLow = b - bHigh;
  return [product, aHigh * bHigh - product + aHigh * bLow + aLow * bHigh + aLow * bLow];
}

function add(a: DoubleDouble, b: DoubleDouble): DoubleDouble {
  const [high, highError] = twoSum(a[0], b[0]);
  const [low, lowError] = twoSum(a[1], b[1]);
  const [sum, error] = twoSum(high, highError + low);
  return twoSum(sum, error + lowError);
}

function multiply(a: DoubleDouble, b: DoubleDouble): DoubleDouble {
  const [product, error] = twoProduct(a[0], b[0]);
  return twoSum(product, error + (a[0] * b[1] + a[1] * b[0]));
}

function divide(a: DoubleDouble, b: DoubleDouble): DoubleDouble {
  const first = a[0] / b[0];
  const rest = add(a, multiply([-first, 0], b));
  const second = rest[0] / b[0];
  const last = add(rest, multiply([-second, 0], b));
  return add(twoSum(first, second), [last[0] / b[0], 0]);
}

/** ln 2 and pi/2 as sums of three doubles. */
const LN2: readonly [number, number, number] = [
  Math.LN2,
  2.3190468138462996e-17,
  5.707708438416212e-34,
];
const HALF_PI: readonly [number, number, number] = [
  1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33,
];

/** x - n * constant, for a constant given by three doubles and a small integer n. */
function reduce(
  x: DoubleDouble,
  n: number,
  constant: readonly [number, number, number],
): DoubleDouble {
  const first = add(x, twoProduct(-n, constant[0]));
  const second = add(first, twoProduct(-n, constant[1]));
  return add(second, [-n * constant[2], 0]);
}

/** Sum of x^(2i) * (-1)^i / (first + 2i)! scaled by first!, the series of cos (first = 0) and sin(x) / x (first = 1). */
function alternatingSeries(square: DoubleDouble, first: 0 | 1): DoubleDouble {
  let sum: DoubleDouble = [1, 0];
  let term: DoubleDouble = [1, 0];
  for (let i = first + 1; Math.abs(term[0]) > 1e-36; i += 2) {
    term = divide(multiply(term, square), [-i * (i + 1), 0]);
    sum = add(sum, term);
  }
  return sum;
}

/** exp(x) for |x| below 700. */
function exp(x: DoubleDouble): DoubleDouble {
  const n = Math.round(x[0] / LN2[0]);
  const reduced = reduce(x, n, LN2);
  const small: DoubleDouble = [reduced[0] / 256, reduced[1] / 256];
  // expm1 by its series, then (1 + p)^256 by eight squarings of 1 + p kept as p.
  let sum: DoubleDouble = small;
  let term: DoubleDouble = small;
  for (let i = 2; Math.abs(term[0]) > 1e-40; i++) {
    term = divide(multiply(term, small), [i, 0]);
    sum = add(sum, term);
  }
  for (let i = 0; i < 8; i++) sum = add([2 * sum[0], 2 * sum[1]], multiply(sum, sum));
  const [high, low] = add([1, 0], sum);
  const scale = 2 ** n;
  return [high * scale, low * scale];
}

/** Natural logarithm of a positive double, by one step of Halley's method from `Math.log`. */
function log(x: number): DoubleDouble {
  const guess = Math.log(x);
  const power = exp([guess, 0]);
  const difference = add([x, 0], [-power[0], -power[1]]);
  const sum = add([x, 0], power);
  return add([guess, 0], divide([2 * difference[0], 2 * difference[1]], sum));
}

/**
 * base ** exponent, correctly rounded, for a base of at least 0 and a result between 1e-290 and 1e290.
 *
 * @throws RangeError for a negative base or a result outside that range.
 */
export function pow(base: number, exponent: number): number {
  checkNumber("base", base, 0);
  checkNumber("exponent", exponent);
  if (exponent === 0 || base === 1) return 1;
  if (exponent === 1) return base;
  if (base === 0) return exponent > 0 ? 0 : Infinity;
  const power = multiply(log(base), [exponent, 0]);
  if (Math.abs(power[0]) > 667)
    throw new RangeError(`pow: expected a result from 1e-290 to 1e290, got ${base} ** ${exponent}`);
  const [high, low] = exp(power);
  return high + low;
}

/**
 * Cosine, correctly rounded, for |angle| up to 1000 radians.
 *
 * @throws RangeError for a larger angle.
 */
export function cos(angle: number): number {
  checkNumber("angle", angle, -1000, 1000);
  const quarter = Math.round(angle / HALF_PI[0]);
  const rest = reduce([angle, 0], quarter, HALF_PI);
  const square = multiply(rest, rest);
  const quadrant = ((quarter % 4) + 4) % 4;
  const [high, low] =
    quadrant % 2 === 0
      ? alternatingSeries(square, 0)
      : multiply(rest, alternatingSeries(square, 1));
  return quadrant === 1 || quadrant === 2 ? -(high + low) : high + low;
}
