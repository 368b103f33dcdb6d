import type { Kernels } from "../table.ts";
import type { WasmVariant } from "../wasm/emitter.ts";
import { blockSparseKernels, forwardBlockSparse } from "./block-sparse.ts";
import { type KernelModule, wasmOf } from "./calls.ts";
import { elementwiseKernels, forwardElementwise } from "./elementwise.ts";
import { gemmKernels } from "./gemm.ts";
import { int8Kernels } from "./int8.ts";
import { forwardRows, rowKernels } from "./rows.ts";
import { missingKernels } from "./scheduler.ts";

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

/** Like {@link simdKernels}, without the code of operations that inference does not call. They throw a RangeError. */
export function inferenceKernels(variant: WasmVariant, module: KernelModule): Kernels {
  const wasm = wasmOf(module);
  const { independently, openGroup, closeGroup } = module.scheduler;
  const kernels = {
    variant,
    independently,
    openGroup,
    closeGroup,
    ...gemmKernels(module),
    ...forwardBlockSparse(wasm, module.scheduler),
    ...forwardElementwise(wasm),
    ...forwardRows(wasm),
    ...int8Kernels(variant, wasm, module.scheduler),
  } satisfies Partial<Kernels>;
  return Object.freeze(Object.setPrototypeOf(kernels, missingKernels()));
}
