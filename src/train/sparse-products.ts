/**
 * Compressed forms of pruned weights during training. They are built after a mask has changed, and are passed to the
 * tape of each step. A compressed form is used only if the weight is exactly zero outside its kept blocks.
 */
import type { BlockSparseProducts } from "../autograd/records.ts";
import type { Backend } from "../kernels/backend.ts";
import { BLOCK_OUTPUTS } from "../kernels/block-sparse.ts";
import { countZeros } from "../prune/count.ts";
import { rearrangesMasks } from "../prune/criteria.ts";
import { masksAreFinal, mayChangeMasks } from "../prune/mask-changes.ts";
import type { PrunedLayer, PrunerState, PruningState } from "../prune/state.ts";
import {
  createBlockSparseWeight,
  type KeptBlocks,
  keptBlocks,
  refreshBlockSparseWeight,
  releaseBlockSparseWeight,
} from "../tensor/block-sparse-weight.ts";
import type { Parameter, Parameters } from "../tensor/parameter.ts";
import type { Optimizer } from "./optimizer.ts";
import { chooseProducts, type SparseProductsSetting } from "./sparse-switch.ts";
import { appliedMask } from "./sparsity.ts";

/** Compressed weights by parameter, valid until a mask changes. Null means that products use the dense weight. */
export type CompressedWeights = Map<Parameter, BlockSparseProducts | null>;

/** The training state after the masks of a step were applied to the weights. */
interface SparseProductsStep {
  readonly backend: Backend;
  readonly setting: SparseProductsSetting;
  readonly parameters: Parameters;
  readonly optimizer: Optimizer;
  readonly state: PruningState;
  readonly step: number;
}

interface PrunedWeight {
  readonly parameter: Parameter;
  readonly owners: readonly { readonly pruner: PrunerState; readonly layer: PrunedLayer }[];
}

/**
 * Updates compressed weights in place after masks were applied, and returns the compressed weights for the tape. The
 * gradients of pruned weights are omitted only once all masks are final and the optimizer has started to update the
 * weight, which it does at the first gradient with a non-zero entry.
 */
export function updateCompressedWeightsInto(
  compressed: CompressedWeights,
  current: SparseProductsStep,
): ReadonlyMap<Parameter, BlockSparseProducts> {
  const { backend, setting, step } = current;
  const inUse = new Map<Parameter, BlockSparseProducts>();
  if (setting === "off") return inUse;
  const stale: (() => void)[] = [];
  for (const pruned of prunedWeights(current)) {
    const { parameter, owners } = pruned;
    if (owners.some(({ pruner }) => mayChangeMasks(pruner, step))) forget(compressed, parameter);
    const known = compressed.get(parameter);
    const held = known === undefined ? compress(backend, setting, pruned) : known;
    if (held === undefined) continue;
    compressed.set(parameter, held);
    if (held === null) continue;
    if (known !== undefined)
      stale.push(() => refreshBlockSparseWeight(backend, held.weight, parameter.value));
    const weightGradient = held.weightGradient && ignoresPruned(pruned, current);
    inUse.set(parameter, { ...held, weightGradient });
  }
  // In one group, which threads share. It starts after all allocations.
  backend.kernels.independently(() => {
    for (const refresh of stale) refresh();
  });
  return inUse;
}

/** Frees all compressed weights. The next step builds new ones. */
export function releaseCompressedWeights(compressed: CompressedWeights): void {
  for (const parameter of [...compressed.keys()]) forget(compressed, parameter);
}

function forget(compressed: CompressedWeights, parameter: Parameter): void {
  const held = compressed.get(parameter);
  if (held) releaseBlockSparseWeight(held.weight);
  compressed.delete(parameter);
}

/** Lists each weight that at least one pruner owns, with all its owners. */
function prunedWeights({ state, parameters }: SparseProductsStep): Iterable<PrunedWeight> {
  const weights = new Map<Parameter, PrunedWeight>();
  for (const pruner of state.pruners) {
    for (const layer of pruner.layers) {
      const parameter = parameters.get(`${layer.name}.weight`);
      if (parameter === undefined) continue;
      const owners = [...(weights.get(parameter)?.owners ?? []), { pruner, layer }];
      weights.set(parameter, { parameter, owners });
    }
  }
  return weights.values();
}

/**
 * Compresses a weight. Returns null if products are to use the dense weight, and undefined if the masks are not yet
 * applied to the weight.
 */
function compress(
  backend: Backend,
  setting: SparseProductsSetting,
  { parameter, owners }: PrunedWeight,
): BlockSparseProducts | null | undefined {
  const { shape } = parameter.value;
  const [outputs = 0, inputs = 0] = shape;
  if (shape.length !== 2 || outputs % BLOCK_OUTPUTS !== 0) return null;
  // Rearranged masks are applied only at the end step, so the weight cannot be compressed before it.
  if (owners.some(({ pruner }) => rearrangesMasks(pruner.config.criterion))) return null;
  const masks = owners.map(({ layer }) => appliedMask(layer));
  const blocks = keptBlocks(shape, masks);
  const density = (blocks.columns.length * BLOCK_OUTPUTS) / (outputs * inputs);
  const products = chooseProducts(setting, backend.kernels.variant, density);
  if (!Object.values(products).includes(true)) return null;
  const weight = createBlockSparseWeight(backend, blocks, parameter.value);
  const kept = weight.values.data.subarray(0, BLOCK_OUTPUTS * weight.blocks);
  const { data } = parameter.value;
  if (kept.length - countZeros(kept) === data.length - countZeros(data))
    return { weight, ...products, wholeBlocks: keepsWhole(blocks, masks) };
  releaseBlockSparseWeight(weight);
  return undefined;
}

/** Whether the masks keep every weight in the kept blocks. */
function keepsWhole(
  { inputs, starts, columns }: KeptBlocks,
  masks: readonly Uint8Array[],
): boolean {
  for (let row = 0; row + 1 < starts.length; row++) {
    for (let block = starts[row] ?? 0; block < (starts[row + 1] ?? 0); block++) {
      const at = row * BLOCK_OUTPUTS * inputs + (columns[block] ?? 0);
      for (let r = 0; r < BLOCK_OUTPUTS; r++)
        if (masks.some((mask) => mask[at + r * inputs] === 0)) return false;
    }
  }
  return true;
}

/** Whether the gradients of pruned weights are no longer needed. */
function ignoresPruned(
  { parameter, owners }: PrunedWeight,
  { optimizer, step }: SparseProductsStep,
): boolean {
  const slot = optimizer.slots.find((candidate) => candidate.parameter === parameter);
  const updated = slot === undefined || slot.updates > 0;
  return updated && owners.every(({ pruner }) => masksAreFinal(pruner, step));
}
