/** Joins the compiled loops of kernels/ with the pruning core, which do not import each other. */
import type { PruningKernels } from "../core/pruning-kernels.ts";
import type { Backend } from "../kernels/backend.ts";
import { wasmPruningKernels } from "../kernels/simd/pruning.ts";
import { plainKernels } from "../prune/plain-kernels.ts";

/**
 * The loops of pruning on a backend's WebAssembly module, for `createPruningScratch`: the same bits in less time, on
 * the backend's threads. With scalar kernels they are plain JavaScript. The first call for a backend allocates working
 * space (1.1 MB, and 0.3 MB more for each part that threads share), so get views of its memory afterwards. Do not call
 * the loops within `kernels.independently`.
 *
 * @example
 * ```ts
 * import { createPruningScratch, initialisePruning, parsePruningConfigOrThrow } from "espalier";
 * import { onStepBeginInto } from "espalier";
 * import { createBackend, createPruningKernels } from "espalier/nn";
 *
 * const backend = createBackend();
 * const kernels = createPruningKernels(backend);
 * const region = backend.memory.allocate(16);
 * const data = backend.memory.float32(region);
 * data.set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
 * const layers = [{ name: "fc", kind: "linear", shape: [4, 4], data }] as const;
 * const config = parsePruningConfigOrThrow({
 *   pattern: "4x1",
 *   pruning_type: "magnitude",
 *   target_sparsity: 0.5,
 * });
 * const state = initialisePruning(config, layers, { excludeHead: false });
 * onStepBeginInto(state, 0, layers, createPruningScratch(state, kernels));
 * if (data.subarray(0, 4).join() !== "0,0,3,4") throw new Error();
 * ```
 */
export function createPruningKernels(backend: Backend): PruningKernels {
  return wasmPruningKernels(backend, plainKernels);
}
