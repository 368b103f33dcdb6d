/** The matrix products on WASM. */
import type { KernelModule } from "./kernel-module.ts";
import type { Kernels } from "./table.ts";
import { SCRATCH_FLOATS } from "./wasm/gemm-blocking.ts";

/** A product of the module: sizes in elements, addresses and strides in bytes. */
type Product = (
  m: number,
  n: number,
  k: number,
  a: number,
  aStride: number,
  b: number,
  bStride: number,
  c: number,
  cStride: number,
  accumulate: boolean,
  scratch: number,
) => void;

type ProductExports = Readonly<Record<"gemm_nn" | "gemm_nt" | "gemm_tn", Product>>;

/** The product, with working space of its own. */
export function gemmKernels({ exports, addressOf, memory }: KernelModule): Pick<Kernels, "gemm"> {
  const { gemm_nn, gemm_nt, gemm_tn } = exports as unknown as ProductExports;
  const products = { nn: gemm_nn, nt: gemm_nt, tn: gemm_tn };
  const scratch = memory.allocate(SCRATCH_FLOATS).byteOffset;

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
      const product = products[form];
      product(
        m,
        n,
        k,
        aAddress,
        aStride * 4,
        bAddress,
        bStride * 4,
        cAddress,
        cStride * 4,
        accumulate,
        scratch,
      );
    },
  };
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
