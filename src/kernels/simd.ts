/** The table of operations on WASM: hands addresses and sizes to the module's functions. */
import type { KernelModule } from "./kernel-module.ts";
import { blockSparseKernels } from "./simd-block-sparse.ts";
import { elementwiseKernels } from "./simd-elementwise.ts";
import { gemmKernels } from "./simd-gemm.ts";
import type { Kernels } from "./table.ts";
import type { WasmVariant } from "./wasm/emitter.ts";

/** The kernels of an instantiated module. */
export function simdKernels(variant: WasmVariant, module: KernelModule): Kernels {
  return Object.freeze({
    variant,
    ...gemmKernels(module),
    ...blockSparseKernels(module),
    ...elementwiseKernels(module),
  });
}
