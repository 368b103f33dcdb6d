/** Parses the pruning configuration of a training run and creates the initial pruning state. */
import type { PruningKernels } from "../core/pruning-kernels.ts";
import { initialiseHeadPruning } from "../heads/initialise.ts";
import { type AttentionLayer, type HeadPruningState, linearLayers } from "../heads/state.ts";
import type { Backend } from "../kernels/backend.ts";
import { checkBackend } from "../kernels/check.ts";
import { wasmPruningKernels } from "../kernels/simd/pruning.ts";
import type { Profile, PrunerConfig, PruningConfig } from "../prune/config.ts";
import { rearrangesMasks } from "../prune/criteria.ts";
import { initialisePruning } from "../prune/initialise.ts";
import { type LayerRecord, refuseCombination, refusePruning } from "../prune/layer.ts";
import { parsePruningConfigOrThrow } from "../prune/parse.ts";
import { formatPattern } from "../prune/pattern.ts";
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

/** The states of the pruners of blocks and of those of attention heads. */
export interface TrainingPruning {
  readonly state: PruningState;
  readonly heads: readonly HeadPruningState[];
}

/**
 * Returns the initial pruning state.
 *
 * @param attentions the attention layers of the model; none if its heads cannot be pruned
 * @throws PruningError if the layers cannot be pruned as configured, or the configuration cannot be used in training
 */
export function initialiseTrainingPruning(
  config: PruningConfig,
  layers: readonly LayerRecord[],
  profile: Profile,
  attentions: readonly AttentionLayer[],
): TrainingPruning {
  const rearranging = config.pruners.find(({ criterion }) => rearrangesMasks(criterion));
  if (rearranging !== undefined)
    refusePruning(
      "unsupported-combination",
      "pruning_type",
      "one that goes with training",
      `${rearranging.criterion}, which leaves weights as they are; call the reducer with gradients of the masked weights instead`,
    );
  const { blocks, heads } = prunersByKind(config);
  const pruning = {
    state: initialisePruning(blocks, layers, { profile }),
    heads: heads.map((pruner) => initialiseHeadPruning(pruner, attentions, layers, { profile })),
  };
  if (profile === "strict") checkSeparateRanges(pruning);
  return pruning;
}

/** Divides the pruners of a configuration into those of blocks and those of attention heads. */
export function prunersByKind({ pruners }: PruningConfig): {
  readonly blocks: PruningConfig;
  readonly heads: readonly PrunerConfig[];
} {
  const areHeads = ({ pattern }: PrunerConfig): boolean => pattern.kind === "heads";
  return {
    blocks: { pruners: pruners.filter((pruner) => !areHeads(pruner)) },
    heads: pruners.filter(areHeads),
  };
}

/**
 * Under `strict`, refuses two pruners that own a layer, one of them of heads, in ranges of steps that overlap: each would
 * change what the other has to count.
 */
function checkSeparateRanges({ state, heads }: TrainingPruning): void {
  const owners = [
    ...heads.map(({ config, attentions }) => ({ config, names: attentions.flatMap(linearLayers) })),
    ...state.pruners.map(({ config, layers }) => ({
      config,
      names: layers.map(({ name }) => name),
    })),
  ];
  for (const [i, first] of owners.slice(0, heads.length).entries())
    for (const second of owners.slice(i + 1)) {
      const shared = second.names.find((name) => first.names.includes(name));
      const { startStep: start, endStep: end } = first.config;
      const { startStep, endStep } = second.config;
      if (shared === undefined || start > endStep || startStep > end) continue;
      refuseCombination(
        shared,
        "one pruner at a time",
        `mha in steps ${start} to ${end}, ${formatPattern(second.config.pattern)} in ${startStep} to ${endStep}`,
        shared,
      );
    }
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
