/**
 * The complementary error function in double precision, with an error below 1 ulp. The rational approximations are
 * from FreeBSD's msun (s_erf.c, Sun Microsystems 1993, freely usable with this notice).
 */

/** Evaluates coefficients[0] + coefficients[1] x + coefficients[2] x^2 + ... by Horner's rule. */
function polynomial(coefficients: readonly number[], x: number): number {
  let sum = 0;
  for (let i = coefficients.length - 1; i >= 0; i--) sum = sum * x + coefficients[i];
  return sum;
}

// |x| < 0.84375: erf(x) = x + x P(x^2) / Q(x^2).
const CENTRE_P = [
  1.2837916709551256e-1, -3.250421072470015e-1, -2.848174957559851e-2, -5.770270296489442e-3,
  -2.3763016656650163e-5,
];
const CENTRE_Q = [
  1, 3.9791722395915535e-1, 6.50222499887673e-2, 5.081306281875766e-3, 1.3249473800432164e-4,
  -3.960228278775368e-6,
];

// 0.84375 <= |x| < 1.25: erf(|x|) = NEAR_ONE + P(|x| - 1) / Q(|x| - 1).
const NEAR_ONE = 8.450629115104675e-1;
const NEAR_ONE_P = [
  -2.3621185607526594e-3, 4.1485611868374833e-1, -3.722078760357013e-1, 3.1834661990116175e-1,
  -1.1089469428239668e-1, 3.5478304325618236e-2, -2.166375594868791e-3,
];
const NEAR_ONE_Q = [
  1, 1.0642088040084423e-1, 5.40397917702171e-1, 7.182865441419627e-2, 1.2617121980876164e-1,
  1.363708391202905e-2, 1.1984499846799107e-2,
];

// |x| >= 1.25: erfc(|x|) = exp(-x^2 - 0.5625 + P(1/x^2) / Q(1/x^2)) / |x|, with SHOULDER_P and SHOULDER_Q below
// TAIL_START, and TAIL_P and TAIL_Q from there on.
const TAIL_START = 1 / 0.35;
const SHOULDER_P = [
  -9.864944034847148e-3, -6.938585727071818e-1, -1.0558626225323291e1, -6.2375332450326006e1,
  -1.6239666946257347e2, -1.8460509290671104e2, -8.12874355063066e1, -9.814329344169145,
];
const SHOULDER_Q = [
  1, 1.9651271667439257e1, 1.3765775414351904e2, 4.3456587747522923e2, 6.453872717332679e2,
  4.2900814002756783e2, 1.0863500554177944e2, 6.570249770319282, -6.04244152148581e-2,
];
const TAIL_P = [
  -9.8649429247001e-3, -7.99283237680523e-1, -1.7757954917754752e1, -1.6063638485582192e2,
  -6.375664433683896e2, -1.0250951316110772e3, -4.835191916086514e2,
];
const TAIL_Q = [
  1, 3.033806074348246e1, 3.257925129965739e2, 1.536729586084437e3, 3.1998582195085955e3,
  2.5530504064331644e3, 4.7452854120695537e2, -2.244095244658582e1,
];

/** erfc(x) for x >= 1.25. */
function erfcTail(x: number): number {
  const s = 1 / (x * x);
  const ratio =
    x < TAIL_START
      ? polynomial(SHOULDER_P, s) / polynomial(SHOULDER_Q, s)
      : polynomial(TAIL_P, s) / polynomial(TAIL_Q, s);
  // exp(-x^2) = exp(-z^2) exp((z - x)(z + x)) with z = x rounded to float32, whose square is exact in a double.
  const z = Math.fround(x);
  return (Math.exp(-z * z - 0.5625) * Math.exp((z - x) * (z + x) + ratio)) / x;
}

/** erfc(x) = 1 - erf(x), with a small relative error even for large x. Returns NaN for NaN. */
export function erfc(x: number): number {
  const size = Math.abs(x);
  if (size < 0.84375) {
    const z = x * x;
    return 1 - (x + (x * polynomial(CENTRE_P, z)) / polynomial(CENTRE_Q, z));
  }
  if (size < 1.25) {
    const erf = NEAR_ONE + polynomial(NEAR_ONE_P, size - 1) / polynomial(NEAR_ONE_Q, size - 1);
    return x < 0 ? 1 + erf : 1 - erf;
  }
  if (size > 28) return x < 0 ? 2 : 0;
  return x < 0 ? 2 - erfcTail(size) : erfcTail(x);
}
