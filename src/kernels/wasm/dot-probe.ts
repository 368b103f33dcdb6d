/**
 * A module that tests `i32x4.relaxed_dot_i8x16_i7x16_add_s`. The baseline compiler of V8 11 (Node 20) overwrites the sum
 * with the product before it adds them, if the sum is in no other register.
 */
import { i8x16, i32, i32x4, ModuleBuilder } from "./emitter.ts";

/** Builds the module. Its function `dotProbe` returns 1 if the products are right. */
export function buildDotProbe(): Uint8Array {
  const module = new ModuleBuilder("fma");
  module.func("dotProbe", {}, (f) => {
    const weights = f.let(i8x16.splat(-3));
    const activations = f.let(i8x16.splat(5));
    const sum = f.let(i32x4.splat(7));
    // In a loop, the baseline compiler keeps local variables in memory.
    f.for(0, 1, 1, () => {
      f.set(sum, i32x4.relaxedDotI8x16I7x16Add(weights, activations, sum));
    });
    return i32.eq(i32x4.extractLane(sum, 0), 7 + 4 * -3 * 5);
  });
  return module.encodeWithoutMemory();
}
