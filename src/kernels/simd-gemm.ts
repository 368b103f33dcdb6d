/** The matrix products on WASM. */
import type { KernelModule } from "./kernel-module.ts";
import { inParts, isWhole, type Scheduler, type WasmFunction } from "./scheduler.ts";
import type { Kernels, ProductForm } from "./table.ts";

/** Multiplications that are worth a part of their own. */
const LEAST_WORK = 1 << 21;
/** Columns of C in a part are a multiple of this: whole tiles, whatever the variant. */
const COLUMN_STEP = 16;
/** Likewise for rows, of which a tile's last ones may be missing. */
const ROW_STEP = 4;

/** The product, in parts that the threads share. */
export function gemmKernels(module: KernelModule): Pick<Kernels, "gemm"> {
  const { addressOf, scheduler } = module;
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
        if (!accumulate) clear(c, cOffset, cStride, m, n);
        return;
      }
      checkExtent("a", a, aOffset, aStride, form === "tn" ? k : m, form === "tn" ? m : k);
      checkExtent("b", b, bOffset, bStride, form === "nt" ? n : k, form === "nt" ? k : n);
      const run = products[form];
      const flag = accumulate ? 1 : 0;
      // A is read in place but for the transposed form, so that columns cost nothing there.
      const isByColumn = form === "tn" ? n >= m : n >= 4 * COLUMN_STEP;
      const lines = isByColumn ? n : m;
      const least = leastOf(isByColumn ? COLUMN_STEP : ROW_STEP, (isByColumn ? m : n) * k);
      // Most products are one head's: not worth a cut, nor the objects that one takes.
      if (isWhole(scheduler, lines, least))
        run(m, n, k, aAddress, aStride * 4, bAddress, bStride * 4, cAddress, cStride * 4, flag);
      else {
        const cut = isByColumn ? runByColumn : runByRow;
        const [as, bs, cs] = [aStride * 4, bStride * 4, cStride * 4];
        cut(scheduler, run, form, least, m, n, k, aAddress, as, bAddress, bs, cAddress, cs, flag);
      }
    },
  };
}

/** Lines of C that are worth a part of their own, at `work` multiplications each. */
function leastOf(step: number, work: number): number {
  return Math.max(step, Math.ceil(LEAST_WORK / work));
}

/**
 * Runs a product with its C cut into columns; addresses and strides in bytes. Each part packs what it needs of the
 * factor on the other side for itself; entries of C have the same bytes wherever it is cut.
 */
function runByColumn(
  scheduler: Scheduler,
  run: WasmFunction,
  form: ProductForm,
  least: number,
  m: number,
  n: number,
  k: number,
  a: number,
  aStride: number,
  b: number,
  bStride: number,
  c: number,
  cStride: number,
  accumulate: number,
): void {
  const toColumn = form === "nt" ? bStride : 4;
  inParts(scheduler, n, { least, step: COLUMN_STEP }, (start, columns) => {
    const from = b + start * toColumn;
    run(m, columns, k, a, aStride, from, bStride, c + start * 4, cStride, accumulate);
  });
}

/** As {@link runByColumn}, cut into rows. */
function runByRow(
  scheduler: Scheduler,
  run: WasmFunction,
  form: ProductForm,
  least: number,
  m: number,
  n: number,
  k: number,
  a: number,
  aStride: number,
  b: number,
  bStride: number,
  c: number,
  cStride: number,
  accumulate: number,
): void {
  const toRow = form === "tn" ? 4 : aStride;
  inParts(scheduler, m, { least, step: ROW_STEP }, (start, rows) => {
    const from = a + start * toRow;
    run(rows, n, k, from, aStride, b, bStride, c + start * cStride, cStride, accumulate);
  });
}

/** A product writes where it is told to, so a matrix that reaches beyond its array is refused. */
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

function clear(c: Float32Array, offset: number, stride: number, m: number, n: number): void {
  for (let row = 0; row < m; row++) {
    const start = offset + row * stride;
    c.fill(0, start, start + n);
  }
}
