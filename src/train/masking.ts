/** Which gradients and moments a step leaves out because their weights are pruned. */
import type { BlockSparseProducts } from "../autograd/records.ts";
import type { PruningKernels } from "../core/pruning-kernels.ts";
import { scoresBlockMasks } from "../prune/criteria.ts";
import { mayChangeMasks } from "../prune/mask-changes.ts";
import type { PruningState } from "../prune/state.ts";
import type { Parameter, Parameters } from "../tensor/parameter.ts";
import type { Optimizer } from "./optimizer.ts";
import { appliedMask } from "./sparsity.ts";

/**
 * What the `strict` profile adds to `step`: sets gradients and moments to zero where the masks do, so that no
 * update moves a pruned weight and none that was gathered before pruning comes back should the weight be revived.
 * Moments only where the step's beginning can have changed the mask: those of a gradient that is zero ever since
 * stay zero. Gradients only where pruned weights have any: of a product with whole blocks, at kept ones alone, they have
 * none.
 */
export function maskTrainingInto(
  state: PruningState,
  parameters: Parameters,
  { slots }: Optimizer,
  kernels: PruningKernels,
  step: number,
  products: ReadonlyMap<Parameter, BlockSparseProducts>,
): void {
  for (const pruner of state.pruners) {
    const changed = mayChangeMasks(pruner, step);
    for (const layer of pruner.layers) {
      const parameter = parameters.get(`${layer.name}.weight`);
      const slot = slots.find((candidate) => candidate.parameter === parameter);
      if (parameter === undefined || slot === undefined) continue;
      const mask = appliedMask(layer);
      const { weightGradient = false, wholeBlocks = false } = products.get(parameter) ?? {};
      if (!weightGradient || !wholeBlocks)
        kernels.applyMaskInto(mask, 1, mask.length, parameter.gradient.data);
      if (!changed) continue;
      for (const { data } of [slot.firstMoment, slot.secondMoment])
        kernels.applyMaskInto(mask, 1, mask.length, data);
    }
  }
}

/**
 * Sets gradients to zero where a block mask does. Layers with block masks compute with weight x mask, so that
 * pruned weights have no gradient of their own; INC restores them after the end step.
 */
export function maskBlockGradientsInto(state: PruningState, parameters: Parameters): void {
  for (const { config, step, layers } of state.pruners) {
    if (!scoresBlockMasks(config.criterion) || step > config.endStep) continue;
    for (const { name, mask } of layers) {
      const gradient = parameters.get(`${name}.weight`)?.gradient;
      if (gradient !== undefined) maskInto(gradient.data, mask);
    }
  }
}

function maskInto(values: Float32Array, mask: Uint8Array): void {
  for (let i = 0; i < values.length; i++) {
    if (mask[i] === 0) values[i] = 0;
  }
}
