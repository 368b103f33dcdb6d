/** Sums, products and differences, element by element and along rows and columns. */

import { f32x4, i32, type ModuleBuilder, type V128 } from "./emitter.ts";
import { forEachRow, forEachVector } from "./vector-loop.ts";

/** Adds `add`, `addBias`, `addColumnSums`, `addScaled`, `addScaledDifference`, `multiply` and `scale`. */
export function addElementwise(module: ModuleBuilder): void {
  binaryKernel(module, "add", f32x4.add);
  binaryKernel(module, "multiply", f32x4.mul);
  scaleKernel(module);
  addScaledKernel(module);
  addScaledDifferenceKernel(module);
  addBiasKernel(module);
  addColumnSumsKernel(module);
}

function binaryKernel(
  module: ModuleBuilder,
  name: string,
  combine: (a: V128, b: V128) => V128,
): void {
  module.func(name, { a: "i32", b: "i32", y: "i32", count: "i32" }, (f, { a, b, y, count }) => {
    forEachVector(module, f, count, [a, b, y], (places) => {
      for (const place of places) place.store(y, combine(place.load(a), place.load(b)));
    });
  });
}

function scaleKernel(module: ModuleBuilder): void {
  const parameters = { x: "i32", factor: "f32", y: "i32", count: "i32" } as const;
  module.func("scale", parameters, (f, { x, factor, y, count }) => {
    const factors = f.let(f32x4.splat(factor));
    forEachVector(module, f, count, [x, y], (places) => {
      for (const place of places) place.store(y, f32x4.mul(factors, place.load(x)));
    });
  });
}

function addScaledKernel(module: ModuleBuilder): void {
  const parameters = { x: "i32", factor: "f32", y: "i32", count: "i32" } as const;
  module.func("addScaled", parameters, (f, { x, factor, y, count }) => {
    const factors = f.let(f32x4.splat(factor));
    forEachVector(module, f, count, [x, y], (places) => {
      for (const place of places) {
        place.store(y, module.madd(factors, place.load(x), place.load(y)));
      }
    });
  });
}

function addScaledDifferenceKernel(module: ModuleBuilder): void {
  const parameters = { a: "i32", b: "i32", factor: "f32", da: "i32", count: "i32" } as const;
  module.func("addScaledDifference", parameters, (f, { a, b, factor, da, count }) => {
    const factors = f.let(f32x4.splat(factor));
    forEachVector(module, f, count, [a, b, da], (places) => {
      for (const place of places) {
        const difference = f32x4.sub(place.load(a), place.load(b));
        place.store(da, module.madd(factors, difference, place.load(da)));
      }
    });
  });
}

function addBiasKernel(module: ModuleBuilder): void {
  const parameters = { y: "i32", bias: "i32", rows: "i32", columns: "i32" } as const;
  module.func("addBias", parameters, (f, { y, bias, rows, columns }) => {
    const biasAt = f.local("i32");
    forEachRow(f, rows, () => {
      f.set(biasAt, bias);
      forEachVector(module, f, columns, [y, biasAt], (places) => {
        for (const place of places) place.store(y, f32x4.add(place.load(y), place.load(biasAt)));
      });
    });
  });
}

/** Four rows at a time, so that each entry of `out` is loaded and stored only once for them. */
function addColumnSumsKernel(module: ModuleBuilder): void {
  const parameters = {
    x: "i32",
    out: "i32",
    rows: "i32",
    columns: "i32",
    /** Bytes from a row to the next. */
    stride: "i32",
  } as const;
  module.func("addColumnSums", parameters, (f, { x, out, rows, columns, stride }) => {
    const outAt = f.local("i32");
    const left = f.let(rows);
    f.while(i32.geS(left, 4), () => {
      const first = f.let(x);
      const second = f.let(i32.add(first, stride));
      const third = f.let(i32.add(second, stride));
      const fourth = f.let(i32.add(third, stride));
      f.set(outAt, out);
      forEachVector(module, f, columns, [first, second, third, fourth, outAt], (places) => {
        for (const place of places) {
          const low = f32x4.add(place.load(first), place.load(second));
          const high = f32x4.add(place.load(third), place.load(fourth));
          place.store(outAt, f32x4.add(place.load(outAt), f32x4.add(low, high)));
        }
      });
      f.increment(x, i32.shl(stride, 2));
      f.increment(left, -4);
    });
    f.while(left, () => {
      const row = f.let(x);
      f.set(outAt, out);
      forEachVector(module, f, columns, [row, outAt], (places) => {
        for (const place of places) {
          place.store(outAt, f32x4.add(place.load(outAt), place.load(row)));
        }
      });
      f.increment(x, stride);
      f.increment(left, -1);
    });
  });
}
