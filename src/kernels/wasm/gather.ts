/** Rows of an embedding table: lookup and gradients. */

import { f32x4, i32, integers, type Local, type ModuleBuilder } from "./emitter.ts";
import { forEachPlace, forEachRow, type VectorPlace } from "./vector-loop.ts";

/** Adds `gatherRows`, `gatherAddRows` and `scatterAddRows`. */
export function addEmbedding(module: ModuleBuilder): void {
  addRowKernel(module, "gatherRows", (place, row, dense) => {
    place.store(dense, place.load(row));
  });
  addRowKernel(module, "gatherAddRows", (place, row, dense) => {
    place.store(dense, f32x4.add(place.load(dense), place.load(row)));
  });
  addRowKernel(module, "scatterAddRows", (place, row, dense) => {
    place.store(row, f32x4.add(place.load(row), place.load(dense)));
  });
}

/** A kernel on row `ids[r]` of the table and row r of a dense array, in order of r. */
function addRowKernel(
  module: ModuleBuilder,
  name: string,
  step: (place: VectorPlace, row: Local<"i32">, dense: Local<"i32">) => void,
): void {
  const parameters = integers("table", "ids", "dense", "rows", "width");
  module.func(name, parameters, (f, { table, ids, dense, rows, width }) => {
    const rowBytes = f.let(i32.shl(width, 2));
    forEachRow(f, rows, () => {
      const row = f.let(i32.add(table, i32.mul(i32.load(ids), rowBytes)));
      f.increment(ids, 4);
      forEachPlace(f, width, [row, dense], (place) => step(place, row, dense));
    });
  });
}
