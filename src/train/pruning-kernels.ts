/** Compiled loops for pruning: where the kernels and the pruning core, which do not see each other, meet. */
import type { PruningKernels } from "../core/pruning-kernels.ts";
import type { Backend } from "../kernels/backend.ts";
import { wasmPruningKernels } from "../kernels/simd/pruning.ts";
import { plainKernels } from "../prune/plain-kernels.ts";

/**
 * The loops of pruning on a backend's WebAssembly module, for `createPruningScratch`: the same results to the
 * last bit, in less time, on the backend's threads. They allocate their working space (1.1 MB of the backend's memory, and
 * 0.3 MB for each further part that several threads work on; once for each backend), so take views on that memory
 * afterwards, and do not call them within `kernels.independently`. With scalar kernels they are the loops in plain JavaScript.
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
