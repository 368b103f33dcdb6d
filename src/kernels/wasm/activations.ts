/** The activation functions tanh, ReLU and exact (erf) GELU. */
import { type FunctionBuilder, f32x4, type ModuleBuilder, v128 } from "./emitter.ts";
import { each, exponential, polynomial, type Vectors } from "./lanes.ts";
import { forEachPlace, forEachVector } from "./vector-loop.ts";

/**
 * The limit to which |x| is clamped, so that exp(-2 |x|) stays a normal number. In float32, tanh is 1 from about 9 on.
 */
const LARGEST_TANH = 20;
/** Below this |x|, tanh is computed as a polynomial, because 1 - exp(-2 |x|) would lose digits. */
const SMALL = 0.625;

// tanh(x) = x + x^3 P(x^2) for |x| < 0.625 (from Cephes, tanhf).
const TANH_P = [
  -5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1,
] as const;

export function addActivations(module: ModuleBuilder): void {
  module.func("tanhForward", { x: "i32", y: "i32", count: "i32" }, (f, { x, y, count }) => {
    forEachVector(f, count, [x, y], (places) => {
      const xs = places.map((place) => f.let(place.load(x)));
      const ys = tanh(f, xs);
      for (const [i, place] of places.entries()) place.store(y, ys[i]);
    });
  });
  const parameters = { y: "i32", dy: "i32", dx: "i32", count: "i32" } as const;
  module.func("tanhBackward", parameters, (f, { y, dy, dx, count }) => {
    forEachVector(f, count, [y, dy, dx], (places) => {
      const one = f.let(f.constantF32x4(1));
      for (const place of places) {
        const value = f.let(place.load(y));
        place.store(dx, f32x4.mul(place.load(dy), f32x4.sub(one, f32x4.mul(value, value))));
      }
    });
  });
  module.func("reluForward", { x: "i32", y: "i32", count: "i32" }, (f, { x, y, count }) => {
    forEachPlace(f, count, [x, y], (place) => place.store(y, f32x4.max(place.load(x), v128.zero)));
  });
  module.func("reluBackward", parameters, (f, { y, dy, dx, count }) => {
    forEachPlace(f, count, [y, dy, dx], (place) => {
      place.store(dx, v128.and(place.load(dy), f32x4.gt(place.load(y), v128.zero)));
    });
  });
}

function tanh(f: FunctionBuilder, xs: Vectors): Vectors {
  const squares = each(f, xs, (x) => f32x4.mul(x, x));
  const tails = polynomial(f, squares, TANH_P);
  const small = each(f, xs, (x, i) => f.madd(f32x4.mul(squares[i], x), tails[i], x));

  // tanh(|x|) = (1 - e) / (1 + e) with e = exp(-2 |x|).
  const largest = f.let(f.constantF32x4(LARGEST_TANH));
  const sizes = each(f, xs, (x) => f32x4.pmin(f32x4.abs(x), largest));
  const minusTwo = f.let(f.constantF32x4(-2));
  const exponents = each(f, sizes, (a) => f32x4.mul(a, minusTwo));
  const powers = exponential(f, exponents);
  const one = f.let(f.constantF32x4(1));
  const large = each(f, powers, (e) => f32x4.div(f32x4.sub(one, e), f32x4.add(one, e)));

  const limit = f.let(f.constantF32x4(SMALL));
  const signBit = f.let(f.constantF32x4(-0));
  return each(f, xs, (x, i) => {
    const size = v128.bitselect(small[i], large[i], f32x4.lt(sizes[i], limit));
    return v128.bitselect(x, size, signBit); // gives the result the sign of x, even for zero
  });
}

// GELU for a = |x|, with the normal distribution function Phi, its density phi and its tail Q(a) = 1 - Phi(a):
// gelu(x) = max(x, 0) - a Q(a), gelu'(a) = 1 - Q(a) + a phi(a), gelu'(-a) = 1 - gelu'(a).

/** The limit to which |x|, even infinity, is clamped. Beyond it, a Q(a) and a phi(a) are below 1e-33. */
const LARGEST_TAIL = 12.5;

// Q(a) = t * P(t) * exp(-a^2 / 2) / 2, with t = 1 / (1 + SLOPE * a) and the polynomial P with coefficients TAIL_P. The
// absolute error of the product a * Q(a) is below 1e-7.
const SLOPE = 0.4 * Math.SQRT1_2;
const TAIL_P = [
  -0.20557687831256494, 0.7306955789528653, -0.40561211107965167, 0.49603511507913856,
  0.15079634851101903, 0.23366174683427654,
] as const;
const INVERSE_SQRT_2_PI = 1 / Math.sqrt(2 * Math.PI);

/** Computes a = min(|x|, LARGEST_TAIL), the bell curve exp(-a^2 / 2) and the tail Q(a) for each x. */
function normalTail(
  f: FunctionBuilder,
  xs: Vectors,
): { readonly sizes: Vectors; readonly bells: Vectors; readonly tails: Vectors } {
  const largest = f.let(f.constantF32x4(LARGEST_TAIL));
  const sizes = each(f, xs, (x) => f32x4.pmin(f32x4.abs(x), largest));
  const minusHalf = f.let(f.constantF32x4(-0.5));
  const exponents = each(f, sizes, (a) => f32x4.mul(f32x4.mul(a, a), minusHalf));
  const bells = exponential(f, exponents);
  const one = f.let(f.constantF32x4(1));
  const slope = f.let(f.constantF32x4(SLOPE));
  const ts = each(f, sizes, (a) => f32x4.div(one, f.madd(a, slope, one)));
  const polynomials = polynomial(f, ts, TAIL_P);
  const half = f.let(f.constantF32x4(0.5));
  const tails = each(f, ts, (t, i) =>
    f32x4.mul(f32x4.mul(polynomials[i], t), f32x4.mul(bells[i], half)),
  );
  return { sizes, bells, tails };
}

export function addGelu(module: ModuleBuilder): void {
  module.func("geluForward", { x: "i32", y: "i32", count: "i32" }, (f, { x, y, count }) => {
    forEachVector(f, count, [x, y], (places) => {
      const xs = places.map((place) => f.let(place.load(x)));
      const { sizes, tails } = normalTail(f, xs);
      for (const [i, place] of places.entries()) {
        const positive = f32x4.pmax(xs[i], v128.zero);
        place.store(y, f32x4.sub(positive, f32x4.mul(sizes[i], tails[i])));
      }
    });
  });
  const parameters = { x: "i32", dy: "i32", dx: "i32", count: "i32" } as const;
  module.func("geluBackward", parameters, (f, { x, dy, dx, count }) => {
    forEachVector(f, count, [x, dy, dx], (places) => {
      const xs = places.map((place) => f.let(place.load(x)));
      const slopes = derivative(f, xs);
      for (const [i, place] of places.entries())
        place.store(dx, f32x4.mul(place.load(dy), slopes[i]));
    });
  });
}

function derivative(f: FunctionBuilder, xs: Vectors): Vectors {
  const { sizes, bells, tails } = normalTail(f, xs);
  const factor = f.let(f.constantF32x4(INVERSE_SQRT_2_PI));
  // The excess is gelu'(|x|) - 1.
  const excess = each(f, sizes, (a, i) =>
    f32x4.sub(f32x4.mul(f32x4.mul(a, bells[i]), factor), tails[i]),
  );
  const one = f.let(f.constantF32x4(1));
  return each(f, excess, (e, i) =>
    v128.bitselect(f32x4.neg(e), f32x4.add(one, e), f32x4.lt(xs[i], v128.zero)),
  );
}
