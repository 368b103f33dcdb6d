import { f32x4, f64, f64x2, i32x4, type ModuleBuilder, type V128, v128 } from "./emitter.ts";
import { forEachPlace } from "./vector-loop.ts";

/** Adds `sumSquaredDifference`: differences in float32, their squares and sums in float64. */
export function addLosses(module: ModuleBuilder): void {
  const parameters = { a: "i32", b: "i32", count: "i32" } as const;
  module.func("sumSquaredDifference", parameters, (f, { a, b, count }) => {
    // Two pairs of sums for each of the two vectors of a step.
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
