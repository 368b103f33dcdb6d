/** Gathers and scatters columns of a matrix. */
import { f32, i32, integers, type ModuleBuilder } from "./emitter.ts";

/** Adds `gatherColumns` and `scatterColumns`. */
export function addColumns(module: ModuleBuilder): void {
  addColumnKernel(module, "gatherColumns");
  addColumnKernel(module, "scatterColumns");
}

/** A kernel that copies element `columns[j]` of each row of a matrix to element j of a row of `part`, or back. */
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
