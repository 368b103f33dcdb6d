/**
 * The exact (erf) GELU. With Q(a) = 1 - Phi(a) for a = |x|,
 * gelu(x) = max(x, 0) - a Q(a) and gelu'(|x|) = 1 - Q(a) + a phi(a), gelu'(-x) = 1 - gelu'(x).
 */
import { type FunctionBuilder, f32x4, type Local, type ModuleBuilder, v128 } from "./emitter.ts";
import { exponential } from "./exponential.ts";
import { each, polynomial, type Vectors } from "./lanes.ts";
import { forEachVector } from "./vector-loop.ts";

/** Beyond it a Q(a) and a phi(a) are below 1e-33; larger arguments, also infinity, are clamped. */
const LARGEST = 12.5;

// Q(a) = t P(t) exp(-a^2 / 2) / 2 with t = 1 / (1 + SLOPE a): absolute error of a Q(a) below 1e-7.
const SLOPE = 0.4 * Math.SQRT1_2;
const TAIL_P = [
  -0.20557687831256494, 0.7306955789528653, -0.40561211107965167, 0.49603511507913856,
  0.15079634851101903, 0.23366174683427654,
] as const;
const INVERSE_SQRT_2_PI = 1 / Math.sqrt(2 * Math.PI);

/** For the vectors x: a = min(|x|, LARGEST), exp(-a^2 / 2) and Q(a). */
function normalTail(
  f: FunctionBuilder,
  xs: Vectors,
): { readonly sizes: Vectors; readonly bells: Vectors; readonly tails: Vectors } {
  const largest = f.let(f.constantF32x4(LARGEST));
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
      places.forEach((place, i) => {
        const positive = f32x4.pmax(xs[i], v128.zero);
        place.store(y, f32x4.sub(positive, f32x4.mul(sizes[i], tails[i])));
      });
    });
  });
  const parameters = { x: "i32", dy: "i32", dx: "i32", count: "i32" } as const;
  module.func("geluBackward", parameters, (f, { x, dy, dx, count }) => {
    forEachVector(f, count, [x, dy, dx], (places) => {
      const xs = places.map((place) => f.let(place.load(x)));
      const slopes = derivative(f, xs);
      places.forEach((place, i) => {
        place.store(dx, f32x4.mul(place.load(dy), slopes[i]));
      });
    });
  });
}

function derivative(f: FunctionBuilder, xs: Vectors): Vectors {
  const { sizes, bells, tails } = normalTail(f, xs);
  const factor = f.let(f.constantF32x4(INVERSE_SQRT_2_PI));
  // gelu'(|x|) - 1
  const excess = each(f, sizes, (a, i) =>
    f32x4.sub(f32x4.mul(f32x4.mul(a, bells[i]), factor), tails[i]),
  );
  const one: Local<"v128"> = f.let(f.constantF32x4(1));
  return each(f, excess, (e, i) =>
    v128.bitselect(f32x4.neg(e), f32x4.add(one, e), f32x4.lt(xs[i], v128.zero)),
  );
}
