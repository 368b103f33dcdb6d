/** Elementwise sums, products and differences; adding a bias to rows; and column sums. */
import {
  type FunctionBuilder,
  f32x4,
  f64,
  f64x2,
  i32,
  i32x4,
  integers,
  type ModuleBuilder,
  type V128,
  v128,
} from "./emitter.ts";
import { forEachPlace } from "./vector-loop.ts";

export function addElementwise(module: ModuleBuilder): void {
  addBinary(module, "add", f32x4.add);
  addBinary(module, "multiply", f32x4.mul);
  addScaling(module, "scale", (factors, x) => f32x4.mul(factors, x));
  addScaling(module, "addScaled", (factors, x, y, f) => f.madd(factors, x, y()));
  addScaledDifference(module);
  addBias(module);
  addColumnSums(module);
}

function addBinary(module: ModuleBuilder, name: string, combine: (a: V128, b: V128) => V128): void {
  module.func(name, integers("a", "b", "y", "count"), (f, { a, b, y, count }) => {
    forEachPlace(f, count, [a, b, y], (place) =>
      place.store(y, combine(place.load(a), place.load(b))),
    );
  });
}

/**
 * Adds a function that computes y = combine(factors, x, y). `combine` gets y as a function, so that y is loaded only if
 * it is used.
 */
function addScaling(
  module: ModuleBuilder,
  name: string,
  combine: (factors: V128, x: V128, y: () => V128, f: FunctionBuilder) => V128,
): void {
  const parameters = { x: "i32", factor: "f32", y: "i32", count: "i32" } as const;
  module.func(name, parameters, (f, { x, factor, y, count }) => {
    const factors = f.let(f32x4.splat(factor));
    forEachPlace(f, count, [x, y], (place) => {
      const value = combine(factors, place.load(x), () => place.load(y), f);
      place.store(y, value);
    });
  });
}

function addScaledDifference(module: ModuleBuilder): void {
  const parameters = { a: "i32", b: "i32", factor: "f32", da: "i32", count: "i32" } as const;
  module.func("addScaledDifference", parameters, (f, { a, b, factor, da, count }) => {
    const factors = f.let(f32x4.splat(factor));
    forEachPlace(f, count, [a, b, da], (place) => {
      const difference = f32x4.sub(place.load(a), place.load(b));
      place.store(da, f.madd(factors, difference, place.load(da)));
    });
  });
}

function addBias(module: ModuleBuilder): void {
  const parameters = integers("y", "bias", "rows", "columns");
  module.func("addBias", parameters, (f, { y, bias, rows, columns }) => {
    const biasAt = f.local("i32");
    f.for(0, rows, 1, () => {
      f.set(biasAt, bias);
      forEachPlace(f, columns, [y, biasAt], (place) =>
        place.store(y, f32x4.add(place.load(y), place.load(biasAt))),
      );
    });
  });
}

/** Adds `addColumnSums`, which adds four rows at a time, so that `out` is loaded and stored once for all four. */
function addColumnSums(module: ModuleBuilder): void {
  // `stride` is the number of bytes between consecutive rows.
  const parameters = integers("x", "out", "rows", "columns", "stride");
  module.func("addColumnSums", parameters, (f, { x, out, rows, columns, stride }) => {
    const outAt = f.local("i32");
    const left = f.let(rows);
    f.while(i32.geS(left, 4), () => {
      const first = f.let(x);
      const second = f.let(i32.add(first, stride));
      const third = f.let(i32.add(second, stride));
      const fourth = f.let(i32.add(third, stride));
      f.set(outAt, out);
      forEachPlace(f, columns, [first, second, third, fourth, outAt], (place) => {
        const low = f32x4.add(place.load(first), place.load(second));
        const high = f32x4.add(place.load(third), place.load(fourth));
        place.store(outAt, f32x4.add(place.load(outAt), f32x4.add(low, high)));
      });
      f.increment(x, i32.shl(stride, 2));
      f.increment(left, -4);
    });
    f.while(left, () => {
      const row = f.let(x);
      f.set(outAt, out);
      forEachPlace(f, columns, [row, outAt], (place) => {
        place.store(outAt, f32x4.add(place.load(outAt), place.load(row)));
      });
      f.increment(x, stride);
      f.increment(left, -1);
    });
  });
}

/** Adds `sumSquaredDifference`. Differences are computed in float32, their squares and the sums in float64. */
export function addSquaredDifference(module: ModuleBuilder): void {
  const parameters = { a: "i32", b: "i32", count: "i32" } as const;
  module.func("sumSquaredDifference", parameters, (f, { a, b, count }) => {
    // Each of the two float32 vectors in a step is added to two vectors of two float64 sums.
    const sums = [0, 1, 2, 3].map(() => f.let(v128.zero));
    const addSquares = (index: number, pair: V128): void => {
      const wide = f.let(f64x2.promoteLowF32x4(pair));
      f.set(sums[index], f64x2.add(sums[index], f64x2.mul(wide, wide)));
    };
    forEachPlace(f, count, [a, b], (place, i) => {
      const difference = f.let(f32x4.sub(place.load(a), place.load(b)));
      addSquares(2 * i, difference);
      addSquares(2 * i + 1, i32x4.shuffle(difference, difference, [2, 3, 0, 1]));
    });
    const total = f.let(f64x2.add(f64x2.add(sums[0], sums[1]), f64x2.add(sums[2], sums[3])));
    return f64.add(f64x2.extractLane(total, 0), f64x2.extractLane(total, 1));
  });
}
