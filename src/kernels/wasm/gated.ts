/** The activation functions x sigmoid(z): SiLU with z = x, and the GELU of tanh, whose z is a cubic of x. */
import { type FunctionBuilder, f32x4, type ModuleBuilder, v128 } from "./emitter.ts";
import { each, exponential, type Vectors } from "./lanes.ts";
import { forEachVector } from "./vector-loop.ts";

// All z are odd and increase with x. For a = |x|, z = z(a), the tail q = 1 / (1 + exp(z)) and y = x sigmoid(z(x)):
// y = max(x, 0) - a q, y'(a) = 1 - q + a q (1 - q) z'(a), y'(-a) = 1 - y'(a).

interface Gate {
  /** The limit to which |x|, even infinity, is clamped. Beyond it, a q z'(a) is below 1e-30. */
  readonly largest: number;
  /** Computes z(a). */
  readonly value: (f: FunctionBuilder, sizes: Vectors) => Vectors;
  /** Multiplies by z'(a). */
  readonly timesSlope: (f: FunctionBuilder, sizes: Vectors, values: Vectors) => Vectors;
}

const SILU: Gate = {
  largest: 80,
  value: (_, sizes) => sizes,
  timesSlope: (_f, _sizes, values) => values,
};

// z = SCALE (a + CUBIC a^3). (1 + tanh(u)) / 2 is the sigmoid of 2 u.
const SCALE = Math.sqrt(8 / Math.PI);
const CUBIC = 0.044715;

const GELU_NEW: Gate = {
  largest: 9.5,
  value: (f, sizes) => {
    const scale = f.let(f.constantF32x4(SCALE));
    const cubic = f.let(f.constantF32x4(SCALE * CUBIC));
    return each(f, sizes, (a) => f32x4.mul(a, f.madd(f32x4.mul(a, a), cubic, scale)));
  },
  timesSlope: (f, sizes, values) => {
    const scale = f.let(f.constantF32x4(SCALE));
    const square = f.let(f.constantF32x4(3 * SCALE * CUBIC));
    return each(f, values, (value, i) =>
      f32x4.mul(value, f.madd(f32x4.mul(sizes[i], sizes[i]), square, scale)),
    );
  },
};

export function addGated(module: ModuleBuilder): void {
  addGate(module, "silu", SILU);
  addGate(module, "geluNew", GELU_NEW);
}

function addGate(module: ModuleBuilder, name: "silu" | "geluNew", gate: Gate): void {
  module.func(`${name}Forward`, { x: "i32", y: "i32", count: "i32" }, (f, { x, y, count }) => {
    forEachVector(f, count, [x, y], (places) => {
      const xs = places.map((place) => f.let(place.load(x)));
      const { sizes, tails } = sigmoidTail(f, gate, xs);
      for (const [i, place] of places.entries()) {
        const positive = f32x4.pmax(xs[i], v128.zero);
        place.store(y, f32x4.sub(positive, f32x4.mul(sizes[i], tails[i])));
      }
    });
  });
  const parameters = { x: "i32", dy: "i32", dx: "i32", count: "i32" } as const;
  module.func(`${name}Backward`, parameters, (f, { x, dy, dx, count }) => {
    forEachVector(f, count, [x, dy, dx], (places) => {
      const xs = places.map((place) => f.let(place.load(x)));
      const slopes = derivative(f, gate, xs);
      for (const [i, place] of places.entries())
        place.store(dx, f32x4.mul(place.load(dy), slopes[i]));
    });
  });
}

/** Computes a = min(|x|, largest), the tail q and 1 - q for each x. */
function sigmoidTail(
  f: FunctionBuilder,
  gate: Gate,
  xs: Vectors,
): { readonly sizes: Vectors; readonly tails: Vectors; readonly heads: Vectors } {
  const largest = f.let(f.constantF32x4(gate.largest));
  const sizes = each(f, xs, (x) => f32x4.pmin(f32x4.abs(x), largest));
  const exponents = each(f, gate.value(f, sizes), (z) => f32x4.neg(z));
  const powers = exponential(f, exponents);
  const one = f.let(f.constantF32x4(1));
  const heads = each(f, powers, (e) => f32x4.div(one, f32x4.add(one, e)));
  const tails = each(f, powers, (e, i) => f32x4.mul(e, heads[i]));
  return { sizes, tails, heads };
}

function derivative(f: FunctionBuilder, gate: Gate, xs: Vectors): Vectors {
  const { sizes, tails, heads } = sigmoidTail(f, gate, xs);
  const products = each(f, sizes, (a, i) => f32x4.mul(f32x4.mul(a, tails[i]), heads[i]));
  // The excess is y'(a) - 1.
  const excess = each(f, gate.timesSlope(f, sizes, products), (product, i) =>
    f32x4.sub(product, tails[i]),
  );
  const one = f.let(f.constantF32x4(1));
  return each(f, excess, (e, i) =>
    v128.bitselect(f32x4.neg(e), f32x4.add(one, e), f32x4.lt(xs[i], v128.zero)),
  );
}
