import type { Kernels } from "../table.ts";
import type { WasmVariant } from "../wasm/emitter.ts";
import { blockSparseKernels } from "./block-sparse.ts";
import { type KernelModule, wasmOf } from "./calls.ts";
import { elementwiseKernels } from "./elementwise.ts";
import { gemmKernels } from "./gemm.ts";
import { int8Kernels } from "./int8.ts";
import { rowKernels } from "./rows.ts";

/** Creates the table of operations for an instantiated module. */
export function simdKernels(variant: WasmVariant, module: KernelModule): Kernels {
  const wasm = wasmOf(module);
  const { independently, openGroup, closeGroup } = module.scheduler;
  return Object.freeze({
    variant,
    independently,
    openGroup,
    closeGroup,
    ...gemmKernels(module),
    ...blockSparseKernels(wasm, module.scheduler),
    ...elementwiseKernels(wasm),
    ...rowKernels(wasm),
    ...int8Kernels(variant, wasm, module.scheduler),
  });
}
