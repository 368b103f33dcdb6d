/** Some columns of a matrix, taken out and put back. */
import { f32, i32, type ModuleBuilder } from "./emitter.ts";

/** Adds `gatherColumns` and `scatterColumns`. */
export function addColumns(module: ModuleBuilder): void {
  addColumnKernel(module, "gatherColumns");
  addColumnKernel(module, "scatterColumns");
}

/** A kernel that moves element `columns[j]` of each row of a matrix to place j of a row of its own, or back. */
function addColumnKernel(module: ModuleBuilder, name: "gatherColumns" | "scatterColumns"): void {
  const parameters = {
    ...({ matrix: "i32", columns: "i32", part: "i32" } as const),
    ...({ rows: "i32", width: "i32", count: "i32" } as const),
  } as const;
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
