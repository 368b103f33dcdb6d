/** Parses the pruning configuration of a training run and creates the initial pruning state. */
import type { PruningKernels } from "../core/pruning-kernels.ts";
import type { Backend } from "../kernels/backend.ts";
import { checkBackend } from "../kernels/check.ts";
import { wasmPruningKernels } from "../kernels/simd/pruning.ts";
import type { Profile, PruningConfig } from "../prune/config.ts";
import { rearrangesMasks } from "../prune/criteria.ts";
import { initialisePruning } from "../prune/initialise.ts";
import { type LayerRecord, refusePruning } from "../prune/layer.ts";
import { parsePruningConfigOrThrow } from "../prune/parse.ts";
import { plainKernels } from "../prune/plain-kernels.ts";
import type { PruningState } from "../prune/state.ts";

/**
 * Parses a pruning configuration for training. The profile `inc` follows INC with one exception: like `strict`, it
 * refuses a string in place of a list of names, because INC would take each letter for a name.
 *
 * @throws InputError with every problem
 */
export function parseTrainingPruning(keys: unknown, profile: Profile): PruningConfig {
  return parsePruningConfigOrThrow(keys, profile === "strict" ? { profile } : {});
}

/**
 * Returns the initial pruning state.
 *
 * @throws PruningError if the layers cannot be pruned as configured, or the configuration cannot be used in training
 */
export function initialiseTrainingPruning(
  config: PruningConfig,
  layers: readonly LayerRecord[],
  profile: Profile,
): PruningState {
  const rearranging = config.pruners.find(({ criterion }) => rearrangesMasks(criterion));
  if (rearranging !== undefined)
    refusePruning(
      "unsupported-combination",
      "pruning_type",
      "one that goes with training",
      `${rearranging.criterion}, which leaves weights as they are; call the reducer with gradients of the masked weights instead`,
    );
  return initialisePruning(config, layers, { profile });
}

/**
 * Returns pruning kernels that use a backend's WebAssembly module and threads; pass them to `createPruningScratch`.
 * They compute the same bits as the default kernels, but faster. With a scalar backend, the default kernels in plain
 * JavaScript are returned. The first call for a backend allocates memory (1.1 MB, plus 0.3 MB for each part of a layer
 * that is processed in parallel), so get views of the backend's memory afterwards. Do not call pruning kernels within
 * `kernels.independently`.
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
 * const keys = { pattern: "4x1", pruning_type: "magnitude", target_sparsity: 0.5 };
 * const config = parsePruningConfigOrThrow(keys);
 * const state = initialisePruning(config, layers, { excludeHead: false });
 * onStepBeginInto(state, 0, layers, createPruningScratch(state, kernels));
 * if (data.subarray(0, 4).join() !== "0,0,3,4") throw new Error();
 * ```
 */
export function createPruningKernels(backend: Backend): PruningKernels {
  checkBackend(backend);
  return wasmPruningKernels(backend, plainKernels);
}
