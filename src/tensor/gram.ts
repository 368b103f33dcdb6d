/** The product of a matrix with itself, in a backend's memory. */
import type { Backend } from "../kernels/backend.ts";

/** Returns a function that writes X'X [columns, columns] of a row-major X [rows, columns] into `out`. */
export function gramOf({
  kernels,
  memory,
}: Backend): (x: Float32Array, columns: number, out: Float32Array) => void {
  return (x, columns, out) => {
    const inputs = memory.allocate(x.length);
    const products = memory.allocate(out.length);
    try {
      memory.float32(inputs).set(x);
      const [a, c] = [memory.float32(inputs), memory.float32(products)];
      const rows = x.length / columns;
      kernels.gemm(
        "tn",
        columns,
        columns,
        rows,
        a,
        0,
        columns,
        a,
        0,
        columns,
        c,
        0,
        columns,
        false,
      );
      out.set(c);
    } finally {
      memory.free(products);
      memory.free(inputs);
    }
  };
}
