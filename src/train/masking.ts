/** Sets gradients and moments of pruned weights to zero. */
import type { BlockSparseProducts } from "../autograd/records.ts";
import type { PruningKernels } from "../core/pruning-kernels.ts";
import { scoresBlockMasks } from "../prune/criteria.ts";
import { mayChangeMasks } from "../prune/mask-changes.ts";
import type { PruningState } from "../prune/state.ts";
import type { Parameter, Parameters } from "../tensor/parameter.ts";
import type { Optimizer } from "./optimizer.ts";
import { appliedMask } from "./sparsity.ts";

/**
 * Sets gradients and moments of pruned weights to zero. The `strict` profile does this in each step, so that updates do
 * not change pruned weights, and a revived weight starts without old moments. Moments need it only after a mask has
 * changed, because a zero gradient keeps them zero. Gradients need it unless their product computes only kept blocks.
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
 * Sets gradients of weights to zero if their block mask is zero: such layers compute with weight x mask, so these
 * weights have no gradient. After the end step, INC removes the block masks from the layers.
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
