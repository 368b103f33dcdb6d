/** Gathers and scatters rows of an embedding table and columns of a matrix. */
import { f32, f32x4, i32, integers, type Local, type ModuleBuilder } from "./emitter.ts";
import { forEachPlace, type VectorPlace } from "./vector-loop.ts";

export function addRows(module: ModuleBuilder): void {
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

/** Adds a kernel that runs `step` on row `ids[r]` of the table and row r of a dense array, in order of r. */
function addRowKernel(
  module: ModuleBuilder,
  name: string,
  step: (place: VectorPlace, row: Local<"i32">, dense: Local<"i32">) => void,
): void {
  const parameters = integers("table", "ids", "dense", "rows", "width");
  module.func(name, parameters, (f, { table, ids, dense, rows, width }) => {
    const rowBytes = f.let(i32.shl(width, 2));
    f.for(0, rows, 1, () => {
      const row = f.let(i32.add(table, i32.mul(i32.load(ids), rowBytes)));
      f.increment(ids, 4);
      forEachPlace(f, width, [row, dense], (place) => step(place, row, dense));
    });
  });
}

export function addColumns(module: ModuleBuilder): void {
  addColumnKernel(module, "gatherColumns");
  addColumnKernel(module, "scatterColumns");
}

/** Adds a kernel that copies column `columns[j]` of `matrix` to column j of `part`, for all j, or back. */
function addColumnKernel(module: ModuleBuilder, name: "gatherColumns" | "scatterColumns"): void {
  const parameters = integers("matrix", "columns", "part", "rows", "width", "count");
  module.func(name, parameters, (f, { matrix, columns, part, rows, width, count }) => {
    const stride = f.let(i32.shl(width, 2));
    const column = f.local("i32");
    f.for(0, rows, 1, () => {
      f.set(column, columns);
      f.for(0, count, 1, () => {
        const at = f.let(i32.add(matrix, i32.shl(i32.load(column), 2)));
        if (name === "gatherColumns") f.store(part, f32.load(at));
        else f.store(at, f32.load(part));
        f.increment(part, 4);
        f.increment(column, 4);
      });
      f.increment(matrix, stride);
    });
  });
}
