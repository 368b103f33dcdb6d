/** Hyperbolic tangent and rectifier. */
import { type FunctionBuilder, f32x4, type ModuleBuilder, v128 } from "./emitter.ts";
import { exponential } from "./exponential.ts";
import { each, polynomial, type Vectors } from "./lanes.ts";
import { forEachPlace, forEachVector } from "./vector-loop.ts";

/** tanh is 1 in float32 from about 9 on; larger arguments are clamped so that exp(-2 |x|) stays normal. */
const LARGEST = 20;
/** Below it tanh is a polynomial, because 1 - e would lose digits. */
const SMALL = 0.625;

// tanh(x) = x + x^3 P(x^2) for |x| < 0.625 (Cephes, tanhf).
const TANH_P = [
  -5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1,
] as const;

export function addActivations(module: ModuleBuilder): void {
  module.func("tanhForward", { x: "i32", y: "i32", count: "i32" }, (f, { x, y, count }) => {
    forEachVector(f, count, [x, y], (places) => {
      const ys = tanh(
        f,
        places.map((place) => f.let(place.load(x))),
      );
      places.forEach((place, i) => {
        place.store(y, ys[i]);
      });
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
  const largest = f.let(f.constantF32x4(LARGEST));
  const sizes = each(f, xs, (x) => f32x4.pmin(f32x4.abs(x), largest));
  const minusTwo = f.let(f.constantF32x4(-2));
  const powers = exponential(
    f,
    each(f, sizes, (a) => f32x4.mul(a, minusTwo)),
  );
  const one = f.let(f.constantF32x4(1));
  const large = each(f, powers, (e) => f32x4.div(f32x4.sub(one, e), f32x4.add(one, e)));

  const limit = f.let(f.constantF32x4(SMALL));
  const signBit = f.let(f.constantF32x4(-0));
  return each(f, xs, (x, i) => {
    const size = v128.bitselect(small[i], large[i], f32x4.lt(sizes[i], limit));
    return v128.bitselect(x, size, signBit); // with the sign of x, that of zero too
  });
}
