import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cos, pow } from "../../src/core/real.ts";

/** Fixed-point arithmetic with this many fraction bits: the oracle that doubles are rounded from. */
const BITS = 400n;
const ONE = 1n << BITS;

/** A double as a fixed-point number, exactly where it has no bits below. */
function toFixed(value: number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const word = view.getBigUint64(0);
  const exponent = (word >> 52n) & 0x7ffn;
  const fraction = word & 0xfffffffffffffn;
  const significand = exponent === 0n ? fraction : fraction | 0x10000000000000n;
  const shift = BITS + (exponent === 0n ? 1n : exponent) - 1075n;
  const magnitude = shift >= 0n ? significand << shift : significand >> -shift;
  return value < 0 ? -magnitude : magnitude;
}

const times = (a: bigint, b: bigint): bigint => (a * b) >> BITS;

/** exp by halving the argument 40 times and squaring back. */
function expFixed(x: bigint): bigint {
  const small = x >> 40n;
  let sum = ONE;
  let term = ONE;
  for (let i = 1n; term !== 0n && term !== -1n; i++) {
    term = times(term, small) / i;
    sum += term;
  }
  for (let i = 0; i < 40; i++) sum = times(sum, sum);
  return sum;
}

/** Natural logarithm by Newton's method from a double. */
function logFixed(value: number): bigint {
  let y = toFixed(Math.log(value));
  const x = toFixed(value);
  for (let i = 0; i < 5; i++) {
    const power = expFixed(y);
    y += (2n * (x - power) * ONE) / (x + power);
  }
  return y;
}

function cosFixed(x: bigint): bigint {
  const small = x >> 20n;
  const square = times(small, small);
  let sum = ONE;
  let term = ONE;
  for (let i = 1n; term !== 0n && term !== -1n; i += 2n) {
    term = -times(term, square) / (i * (i + 1n));
    sum += term;
  }
  for (let i = 0; i < 20; i++) sum = 2n * times(sum, sum) - ONE;
  return sum;
}

/** Whether no double is nearer to `exact` than `value`. */
function isNearest(value: number, exact: bigint): boolean {
  const gap = (candidate: number): bigint => {
    const difference = toFixed(candidate) - exact;
    return difference < 0n ? -difference : difference;
  };
  const up = neighbour(value, 1n);
  const down = neighbour(value, -1n);
  return gap(value) <= gap(up) && gap(value) <= gap(down);
}

function neighbour(value: number, step: bigint): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  view.setBigUint64(0, view.getBigUint64(0) + step);
  return view.getFloat64(0);
}

describe("pow", () => {
  test("is the nearest double, over the arguments of schedules", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.001, max: 2, noNaN: true }),
        fc.integer({ min: 1, max: 60 }),
        fc.boolean(),
        (base, count, isRoot) => {
          const exponent = isRoot ? 1 / count : count;
          fc.pre(base ** exponent > 1e-60);
          const exact = expFixed(times(logFixed(base), toFixed(exponent)));
          return isNearest(pow(base, exponent), exact);
        },
      ),
      { numRuns: 150 },
    );
  });

  test("is exact where the result is", () => {
    expect(pow(0.25, 0.5)).toBe(0.5);
    expect(pow(3, 4)).toBe(81);
    expect(pow(0.5, 10)).toBe(2 ** -10);
    expect(pow(10, -1)).toBe(0.1);
  });

  test("rounds a square half way between two doubles to the even one", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 28 }), (base) => {
        expect(pow(base, 2)).toBe(Number(BigInt(base) ** 2n));
      }),
    );
    expect(pow(94906269, 2)).toBe(Number(94906269n ** 2n));
  });

  test("meets the boundaries", () => {
    expect(pow(0, 2)).toBe(0);
    expect(pow(0, -1)).toBe(Number.POSITIVE_INFINITY);
    expect(pow(0, 0)).toBe(1);
    expect(pow(1, 1e300)).toBe(1);
    expect(pow(0.1, 1)).toBe(0.1);
  });

  test("refuses what it is not made for", () => {
    expect(() => pow(-1, 2)).toThrow(/base: expected/);
    expect(() => pow(Number.NaN, 2)).toThrow(RangeError);
    expect(() => pow(10, 1000)).toThrow(/1e-290 to 1e290/);
  });

  test("is the nearest also where Math.pow is not", () => {
    const differing = Array.from({ length: 4000 }, (_, i) => 0.1 + i / 5000).filter(
      (base) => pow(base, 1 / 7) !== base ** (1 / 7),
    );
    for (const base of differing.slice(0, 5)) {
      const exact = expFixed(times(logFixed(base), toFixed(1 / 7)));
      expect(isNearest(pow(base, 1 / 7), exact)).toBe(true);
    }
  });
});

describe("cos", () => {
  test("is the nearest double", () => {
    fc.assert(
      fc.property(fc.double({ min: -20, max: 20, noNaN: true }), (angle) => {
        const value = cos(angle);
        fc.pre(Math.abs(value) > 1e-9);
        return isNearest(Math.abs(value), BigInt(Math.sign(value)) * cosFixed(toFixed(angle)));
      }),
      { numRuns: 150 },
    );
  });

  test("keeps its relative accuracy next to its zeros", () => {
    expect(cos(Math.PI / 2)).toBe(6.123233995736766e-17);
    expect(cos((3 * Math.PI) / 2)).toBe(-1.8369701987210297e-16);
  });

  test("meets the boundaries", () => {
    expect(cos(0)).toBe(1);
    expect(cos(-0)).toBe(1);
    expect(cos(Math.PI)).toBe(-1);
    expect(() => cos(1e6)).toThrow(RangeError);
    expect(() => cos(Number.POSITIVE_INFINITY)).toThrow(RangeError);
  });
});
