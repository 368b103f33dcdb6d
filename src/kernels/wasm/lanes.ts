/** Arithmetic on several vectors at once, and across the lanes of a vector. */
import { type F32, type FunctionBuilder, f32x4, i32x4, type Local, type V128 } from "./emitter.ts";

/** Vectors that go through the same computation, with interleaved instructions and shared constants. */
export type Vectors = readonly Local<"v128">[];

export function each(
  f: FunctionBuilder,
  vectors: Vectors,
  compute: (vector: Local<"v128">, index: number) => V128,
): Vectors {
  return vectors.map((vector, index) => f.let(compute(vector, index)));
}

/** Computes c[0] x^n + c[1] x^(n-1) + ... + c[n] for each x by Horner's rule. */
export function polynomial(
  f: FunctionBuilder,
  xs: Vectors,
  [first, ...rest]: readonly [number, ...number[]],
): Vectors {
  const leading = f.let(f.constantF32x4(first));
  let sums: Vectors = xs.map(() => leading);
  for (const coefficient of rest) {
    const constant = f.let(f.constantF32x4(coefficient));
    sums = each(f, xs, (x, index) => f.madd(sums[index], x, constant));
  }
  return sums;
}

function foldLanes(
  f: FunctionBuilder,
  vector: V128,
  combine: (a: V128, b: V128) => V128,
): Local<"v128"> {
  const whole = f.let(vector);
  const pair = f.let(combine(whole, i32x4.shuffle(whole, whole, [2, 3, 0, 1])));
  return f.let(combine(pair, i32x4.shuffle(pair, pair, [1, 0, 3, 2])));
}

export function sumOfLanes(f: FunctionBuilder, vector: V128): F32 {
  return f32x4.extractLane(foldLanes(f, vector, f32x4.add), 0);
}

/** The largest of the four lanes, copied to every lane. */
export function maxOfLanes(f: FunctionBuilder, vector: V128): V128 {
  return foldLanes(f, vector, f32x4.pmax);
}

/** Transposes a 4 x 4 matrix: returns its columns, given its rows. */
export function transpose(f: FunctionBuilder, rows: readonly Local<"v128">[]): readonly V128[] {
  const [a, b, c, d] = rows;
  const abLow = f.let(i32x4.shuffle(a, b, [0, 4, 1, 5]));
  const cdLow = f.let(i32x4.shuffle(c, d, [0, 4, 1, 5]));
  const abHigh = f.let(i32x4.shuffle(a, b, [2, 6, 3, 7]));
  const cdHigh = f.let(i32x4.shuffle(c, d, [2, 6, 3, 7]));
  return [
    i32x4.shuffle(abLow, cdLow, [0, 1, 4, 5]),
    i32x4.shuffle(abLow, cdLow, [2, 3, 6, 7]),
    i32x4.shuffle(abHigh, cdHigh, [0, 1, 4, 5]),
    i32x4.shuffle(abHigh, cdHigh, [2, 3, 6, 7]),
  ];
}

/** The smallest argument of {@link exponential}: below it, exp(x) is not a normal float32. */
export const SMALLEST_EXPONENT = -87.3;

// ln 2 = LN2_HIGH + LN2_LOW. The product of LN2_HIGH and an integer below 2^15 is exact in float32.
const LN2_HIGH = 0.693359375;
const LN2_LOW = -2.1219444e-4;
/** The low bits of the float32 number x + ROUND_TO_EXPONENT are round(x) + 127, the biased exponent of 2^round(x). */
const ROUND_TO_EXPONENT = 1.5 * 2 ** 23 + 127;

// exp(r) = 1 + r + r^2 P(r) for |r| <= ln(2) / 2 (from Cephes, expf).
const EXP_P = [
  1.98756915e-4, 1.39819995e-3, 8.33345191e-3, 4.16657959e-2, 1.66666655e-1, 5.00000012e-1,
] as const;

/** Computes exp(x) for x from SMALLEST_EXPONENT to 88, with a relative error below 2e-7. NaN stays NaN. */
export function exponential(f: FunctionBuilder, xs: Vectors): Vectors {
  const log2e = f.let(f.constantF32x4(Math.LOG2E));
  const round = f.let(f.constantF32x4(ROUND_TO_EXPONENT));
  const rounded = each(f, xs, (x) => f.madd(x, log2e, round));
  const powers = each(f, rounded, (x) => f32x4.sub(x, round));
  const high = f.let(f.constantF32x4(LN2_HIGH));
  const coarse = each(f, powers, (n, i) => f.nmadd(n, high, xs[i]));
  const low = f.let(f.constantF32x4(LN2_LOW));
  const rests = each(f, powers, (n, i) => f.nmadd(n, low, coarse[i]));
  const tails = polynomial(f, rests, EXP_P);
  const one = f.let(f.constantF32x4(1));
  const mantissas = each(f, rests, (r, i) => f.madd(f32x4.mul(r, r), tails[i], f32x4.add(r, one)));
  // The bits of `rounded`, shifted by 23, are the float32 number 2^n. Multiplying by it keeps NaN; adding n to the
  // exponent bits would not.
  return each(f, mantissas, (m, i) => f32x4.mul(m, i32x4.shl(rounded[i], 23)));
}
