/** The activation functions x sigmoid(z) with a cubic z = slope x + cubic x^3: SiLU, and the GELU of tanh. */
import { type F32, type FunctionBuilder, f32x4, type ModuleBuilder, v128 } from "./emitter.ts";
import { each, exponential, type Vectors } from "./lanes.ts";
import { forEachVector } from "./vector-loop.ts";

// For a = |x|, z = z(a), the tail q = 1 / (1 + exp(z)) and y = x sigmoid(z(x)):
// y = max(x, 0) - a q, y'(a) = 1 - q + a q (1 - q) z'(a), y'(-a) = 1 - y'(a).

/** The parameters of z. |x| is clamped to `largest`, beyond which a q z'(a) is below 1e-30. */
interface Gate {
  readonly slope: F32;
  readonly cubic: F32;
  readonly largest: F32;
}

const GATE = { slope: "f32", cubic: "f32", largest: "f32" } as const;

export function addGated(module: ModuleBuilder): void {
  const forward = { x: "i32", y: "i32", count: "i32", ...GATE } as const;
  module.func("gatedForward", forward, (f, { x, y, count, ...gate }) => {
    forEachVector(f, count, [x, y], (places) => {
      const xs = places.map((place) => f.let(place.load(x)));
      const { sizes, tails } = sigmoidTail(f, gate, xs);
      for (const [i, place] of places.entries()) {
        const positive = f32x4.pmax(xs[i], v128.zero);
        place.store(y, f32x4.sub(positive, f32x4.mul(sizes[i], tails[i])));
      }
    });
  });
  const backward = { x: "i32", dy: "i32", dx: "i32", count: "i32", ...GATE } as const;
  module.func("gatedBackward", backward, (f, { x, dy, dx, count, ...gate }) => {
    forEachVector(f, count, [x, dy, dx], (places) => {
      const xs = places.map((place) => f.let(place.load(x)));
      const slopes = derivative(f, gate, xs);
      for (const [i, place] of places.entries())
        place.store(dx, f32x4.mul(place.load(dy), slopes[i]));
    });
  });
}

/** Computes a = min(|x|, largest), its square, the tail q and 1 - q for each x. */
function sigmoidTail(
  f: FunctionBuilder,
  gate: Gate,
  xs: Vectors,
): Readonly<Record<"sizes" | "squares" | "tails" | "heads", Vectors>> {
  const largest = f.let(f32x4.splat(gate.largest));
  const sizes = each(f, xs, (x) => f32x4.pmin(f32x4.abs(x), largest));
  const squares = each(f, sizes, (a) => f32x4.mul(a, a));
  const slope = f.let(f32x4.splat(gate.slope));
  const cubic = f.let(f32x4.splat(gate.cubic));
  const exponents = each(f, sizes, (a, i) =>
    f32x4.neg(f32x4.mul(a, f.madd(squares[i], cubic, slope))),
  );
  const powers = exponential(f, exponents);
  const one = f.let(f.constantF32x4(1));
  const heads = each(f, powers, (e) => f32x4.div(one, f32x4.add(one, e)));
  const tails = each(f, powers, (e, i) => f32x4.mul(e, heads[i]));
  return { sizes, squares, tails, heads };
}

function derivative(f: FunctionBuilder, gate: Gate, xs: Vectors): Vectors {
  const { sizes, squares, tails, heads } = sigmoidTail(f, gate, xs);
  const slope = f.let(f32x4.splat(gate.slope));
  const three = f.let(f.constantF32x4(3));
  const cubic = f.let(f32x4.mul(f32x4.splat(gate.cubic), three));
  const spreads = each(f, sizes, (a, i) => f32x4.mul(f32x4.mul(a, tails[i]), heads[i]));
  // The excess is y'(a) - 1.
  const excess = each(f, spreads, (spread, i) =>
    f32x4.sub(f32x4.mul(spread, f.madd(squares[i], cubic, slope)), tails[i]),
  );
  const one = f.let(f.constantF32x4(1));
  return each(f, excess, (e, i) =>
    v128.bitselect(f32x4.neg(e), f32x4.add(one, e), f32x4.lt(xs[i], v128.zero)),
  );
}
