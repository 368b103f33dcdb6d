/** The table of operations on WASM. */

import type { Kernels } from "../table.ts";
import type { WasmVariant } from "../wasm/emitter.ts";
import { blockSparseKernels } from "./block-sparse.ts";
import { wasmOf } from "./calls.ts";
import { elementwiseKernels } from "./elementwise.ts";
import { gemmKernels } from "./gemm.ts";
import type { KernelModule } from "./kernel-module.ts";
import { rowKernels } from "./rows.ts";

/** The kernels of an instantiated module. */
export function simdKernels(variant: WasmVariant, module: KernelModule): Kernels {
  const wasm = wasmOf(module);
  return Object.freeze({
    variant,
    independently: wasm.independently,
    openGroup: wasm.openGroup,
    closeGroup: wasm.closeGroup,
    ...gemmKernels(module),
    ...blockSparseKernels(wasm, module.scheduler),
    ...elementwiseKernels(wasm),
    ...rowKernels(wasm),
  });
}
