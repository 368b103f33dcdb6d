/** The matrix product on WASM. */
import type { ProductKernels } from "../table.ts";
import type { KernelModule } from "./calls.ts";
import { partLength } from "./scheduler.ts";

/** The minimum number of multiplications in a part. */
const LEAST_WORK = 1 << 21;
/** The number of columns in a part is a multiple of COLUMN_STEP, or the number of rows a multiple of ROW_STEP. */
const COLUMN_STEP = 16;
const ROW_STEP = 4;

export function gemmKernels(module: KernelModule): ProductKernels {
  const { addressOf, scheduler } = module;
  const { openGroup, closeGroup } = scheduler;
  const { gemm_nn, gemm_nt, gemm_tn } = scheduler.functions;
  const products = { nn: gemm_nn, nt: gemm_nt, tn: gemm_tn };

  return {
    gemm(form, m, n, k, a, aOffset, aStride, b, bOffset, bStride, c, cOffset, cStride, accumulate) {
      if (m === 0 || n === 0) return;
      const aAddress = addressOf(a) + aOffset * 4;
      const bAddress = addressOf(b) + bOffset * 4;
      const cAddress = addressOf(c) + cOffset * 4;
      checkExtent("c", c, cOffset, cStride, m, n);
      if (k === 0) {
        for (let row = 0, i = cOffset; row < m && !accumulate; row++, i += cStride)
          c.fill(0, i, i + n);
        return;
      }
      checkExtent("a", a, aOffset, aStride, form === "tn" ? k : m, form === "tn" ? m : k);
      checkExtent("b", b, bOffset, bStride, form === "nt" ? n : k, form === "nt" ? k : n);
      const run = products[form];
      const flag = accumulate ? 1 : 0;
      const aBytes = aStride * 4;
      const bBytes = bStride * 4;
      const cBytes = cStride * 4;
      // Each part packs the undivided factor again. A is packed only for `tn`, so dividing the columns costs nothing
      // for the other forms. The entries of C have the same bytes for any division.
      if (form === "tn" ? n >= m : n >= 4 * COLUMN_STEP) {
        const toColumn = form === "nt" ? bBytes : 4;
        const part = partLength(scheduler, n, leastOf(COLUMN_STEP, m * k), COLUMN_STEP);
        openGroup();
        for (let i = 0; i < n; i += part) {
          const columns = Math.min(part, n - i);
          const from = bAddress + i * toColumn;
          run(m, columns, k, aAddress, aBytes, from, bBytes, cAddress + 4 * i, cBytes, flag);
        }
        closeGroup();
        return;
      }
      const toRow = form === "tn" ? 4 : aBytes;
      const part = partLength(scheduler, m, leastOf(ROW_STEP, n * k), ROW_STEP);
      openGroup();
      for (let i = 0; i < m; i += part) {
        const rows = Math.min(part, m - i);
        const from = aAddress + i * toRow;
        run(rows, n, k, from, aBytes, bAddress, bBytes, cAddress + i * cBytes, cBytes, flag);
      }
      closeGroup();
    },
  };
}

/** The minimum number of rows or columns in a part, if each row or column takes `work` multiplications. */
function leastOf(step: number, work: number): number {
  return Math.max(step, Math.ceil(LEAST_WORK / work));
}

/** Checks that a matrix lies within its array. @throws RangeError if it does not */
function checkExtent(
  name: string,
  array: Float32Array,
  offset: number,
  stride: number,
  rows: number,
  columns: number,
): void {
  const end = offset + (rows - 1) * stride + columns;
  if (end > array.length || offset < 0)
    throw new RangeError(
      `${name}: expected ${rows} x ${columns} elements with stride ${stride} from ${offset} on, got an array of ${array.length}`,
    );
}
