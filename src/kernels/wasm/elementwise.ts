/** Sums, products and differences, element by element and along rows and columns. */

import {
  type FunctionBuilder,
  f32x4,
  i32,
  integers,
  type ModuleBuilder,
  type V128,
} from "./emitter.ts";
import { forEachPlace, forEachRow, forEachVector } from "./vector-loop.ts";

/** Adds `add`, `addBias`, `addColumnSums`, `addScaled`, `addScaledDifference`, `multiply` and `scale`. */
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

/** y = combine(factor, x, y), which need not load y. */
function addScaling(
  module: ModuleBuilder,
  name: string,
  combine: (factors: V128, x: V128, y: () => V128, f: FunctionBuilder) => V128,
): void {
  const parameters = { x: "i32", factor: "f32", y: "i32", count: "i32" } as const;
  module.func(name, parameters, (f, { x, factor, y, count }) => {
    const factors = f.let(f32x4.splat(factor));
    forEachVector(f, count, [x, y], (places) => {
      for (const place of places)
        place.store(
          y,
          combine(factors, place.load(x), () => place.load(y), f),
        );
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
  module.func(
    "addBias",
    integers("y", "bias", "rows", "columns"),
    (f, { y, bias, rows, columns }) => {
      const biasAt = f.local("i32");
      forEachRow(f, rows, () => {
        f.set(biasAt, bias);
        forEachPlace(f, columns, [y, biasAt], (place) =>
          place.store(y, f32x4.add(place.load(y), place.load(biasAt))),
        );
      });
    },
  );
}

/** Four rows at a time, to load and store `out` only once for them. */
function addColumnSums(module: ModuleBuilder): void {
  // `stride` is in bytes.
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
