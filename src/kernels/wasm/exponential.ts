import { type FunctionBuilder, f32x4, i32x4 } from "./emitter.ts";
import { each, polynomial, type Vectors } from "./lanes.ts";

/** Below this argument exp is not a normal float32. */
export const SMALLEST_EXPONENT = -87.3;

// ln 2 in two parts; the product of the first with an integer below 2^15 is exact in float32.
const LN2_HIGH = 0.693359375;
const LN2_LOW = -2.1219444e-4;
/** Adding it leaves round(x) + 127 in the low bits of the sum: the biased exponent. */
const ROUND_TO_EXPONENT = 1.5 * 2 ** 23 + 127;

// exp(r) = 1 + r + r^2 P(r) for |r| <= ln(2) / 2 (Cephes, expf).
const EXP_P = [
  1.98756915e-4, 1.39819995e-3, 8.33345191e-3, 4.16657959e-2, 1.66666655e-1, 5.00000012e-1,
] as const;

/**
 * exp(x) for SMALLEST_EXPONENT <= x <= 88, with a relative error below 2e-7. NaN gives NaN. Other results are
 * undefined.
 */
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
  // Times 2^n, from the sum with ROUND_TO_EXPONENT. Multiplying keeps NaN; adding to the bits would not.
  return each(f, mantissas, (m, i) => f32x4.mul(m, i32x4.shl(rounded[i], 23)));
}
