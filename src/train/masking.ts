/** Sets the gradients and optimizer moments of pruned weights to zero. */
import type { BlockSparseProducts } from "../autograd/records.ts";
import type { PruningKernels } from "../core/pruning-kernels.ts";
import { scoresBlockMasks } from "../prune/criteria.ts";
import { mayChangeMasks } from "../prune/mask-changes.ts";
import type { PruningState } from "../prune/state.ts";
import type { Parameter, Parameters } from "../tensor/parameter.ts";
import type { Optimizer } from "./optimizer.ts";
import { appliedMask } from "./sparsity.ts";

/**
 * Sets the gradients and optimizer moments of pruned weights to zero. The `strict` profile does this at every step, so
 * that updates do not change pruned weights, and so that a weight that is kept again starts without old moments.
 * Moments are set to zero only after a mask has changed, because zero gradients then keep them zero. The gradients need
 * not be set to zero if their product is computed only for kept blocks that contain no pruned weight.
 */
export function maskTrainingInto(
  { state, kernels }: { readonly state: PruningState; readonly kernels: PruningKernels },
  parameters: Parameters,
  { slots }: Optimizer,
  step: number,
  products?: ReadonlyMap<Parameter, BlockSparseProducts>,
): void {
  for (const pruner of state.pruners) {
    const changed = mayChangeMasks(pruner, step);
    for (const layer of pruner.layers) {
      const parameter = parameters.get(`${layer.name}.weight`);
      const slot = slots.find((candidate) => candidate.parameter === parameter);
      if (parameter === undefined || slot === undefined) continue;
      const mask = appliedMask(layer);
      const { weightGradient = false, wholeBlocks = false } = products?.get(parameter) ?? {};
      if (!weightGradient || !wholeBlocks)
        kernels.applyMaskInto(mask, 1, mask.length, parameter.gradient.data);
      if (!changed) continue;
      for (const { data } of [slot.firstMoment, slot.secondMoment])
        kernels.applyMaskInto(mask, 1, mask.length, data);
    }
  }
}

/**
 * Sets the gradients of pruned weights to zero in layers with block masks. These layers compute with weight x mask, so
 * a pruned weight has no gradient. Does nothing after the end step, when INC removes the block masks.
 */
export function maskBlockGradientsInto(state: PruningState, parameters: Parameters): void {
  for (const { config, step, layers } of state.pruners) {
    if (!scoresBlockMasks(config.criterion) || step > config.endStep) continue;
    for (const { name, mask } of layers) {
      const gradient = parameters.get(`${name}.weight`)?.gradient;
      if (gradient === undefined) continue;
      const { data } = gradient;
      for (let i = 0; i < data.length; i++) if (mask[i] === 0) data[i] = 0;
    }
  }
}
