/**
 * Compressed forms of pruned weights while they are trained: made when a mask has changed, given to each step's
 * tape, given back at the end. They are in use only where the weight is exactly zero outside of its blocks.
 */
import type { BlockSparseProducts } from "../autograd/records.ts";
import type { Backend } from "../kernels/backend.ts";
import { BLOCK_OUTPUTS } from "../kernels/block-sparse.ts";
import { rearrangesMasks } from "../prune/criteria.ts";
import { masksAreFinal, mayChangeMasks } from "../prune/mask-changes.ts";
import type { PrunedLayer, PrunerState, PruningState } from "../prune/state.ts";
import {
  type BlockSparseWeight,
  createBlockSparseWeight,
  type KeptBlocks,
  keptBlocks,
  refreshBlockSparseWeight,
  releaseBlockSparseWeight,
} from "../tensor/block-sparse-weight.ts";
import type { Parameter, Parameters } from "../tensor/parameter.ts";
import type { Optimizer } from "./optimizer.ts";
import { type ByProduct, chooseProducts, type SparseProductsSetting } from "./sparse-switch.ts";
import { appliedMask } from "./sparsity.ts";

/** A weight in compressed form, and the products that are computed from it. */
interface Compressed {
  readonly weight: BlockSparseWeight;
  readonly products: ByProduct<boolean>;
  /** Whether the masks keep every weight of the blocks. */
  readonly wholeBlocks: boolean;
}

/** The part of a session that compressed weights have. */
export interface SessionSparseProducts {
  readonly setting: SparseProductsSetting;
  /** By weight, since its mask last changed; null where the dense one is multiplied. */
  readonly compressed: Map<Parameter, Compressed | null>;
}

/** What a step has, once its masks are on the weights. */
export interface SparseProductsStep {
  readonly backend: Backend;
  readonly parameters: Parameters;
  readonly optimizer: Optimizer;
  readonly state: PruningState;
  readonly step: number;
}

/** A weight as those pruners see it that prune it. */
interface PrunedWeight {
  readonly parameter: Parameter;
  readonly owners: readonly { readonly pruner: PrunerState; readonly layer: PrunedLayer }[];
}

/** No weight in compressed form yet. */
export function createSparseProducts(setting: SparseProductsSetting): SessionSparseProducts {
  return { setting, compressed: new Map() };
}

/**
 * Brings compressed weights up to date with masks and weights after a step has begun, in place, and gives what its
 * tape is to use. A gradient is left out at pruned weights only once no mask can change any more, and once the
 * optimizer has begun to update the weight, which it does at the first gradient that is not all zero.
 */
export function updateSparseProductsInto(
  session: SessionSparseProducts,
  current: SparseProductsStep,
): ReadonlyMap<Parameter, BlockSparseProducts> {
  const { setting, compressed } = session;
  const { backend, step } = current;
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
    const { weight, products, wholeBlocks } = held;
    if (known !== undefined)
      stale.push(() => refreshBlockSparseWeight(backend, weight, parameter.value));
    const weightGradient = products.weightGradient && ignoresPruned(pruned, current);
    inUse.set(parameter, { ...products, weight, weightGradient, wholeBlocks });
  }
  // Together, once nothing allocates any more: threads share them.
  backend.kernels.independently(() => {
    for (const refresh of stale) refresh();
  });
  return inUse;
}

/** Gives all memory back; the next step begins anew. */
export function releaseSparseProducts({ compressed }: SessionSparseProducts): void {
  for (const parameter of [...compressed.keys()]) forget(compressed, parameter);
}

function forget(compressed: SessionSparseProducts["compressed"], parameter: Parameter): void {
  const held = compressed.get(parameter);
  if (held) releaseBlockSparseWeight(held.weight);
  compressed.delete(parameter);
}

/** The weights that pruners own, each once. */
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
 * The compressed form under the masks on a weight; null where the dense one is to be multiplied, undefined where
 * that has to be asked again: the masks are not on the weight yet.
 */
function compress(
  backend: Backend,
  setting: SparseProductsSetting,
  { parameter, owners }: PrunedWeight,
): Compressed | null | undefined {
  const { shape } = parameter.value;
  const [outputs = 0, inputs = 0] = shape;
  if (shape.length !== 2 || outputs % BLOCK_OUTPUTS !== 0) return null;
  // Weights stay as they are under masks that are rearranged.
  if (owners.some(({ pruner }) => rearrangesMasks(pruner.config.criterion))) return null;
  const masks = owners.map(({ layer }) => appliedMask(layer));
  const blocks = keptBlocks(shape, masks);
  const density = (blocks.columns.length * BLOCK_OUTPUTS) / (outputs * inputs);
  const products = chooseProducts(setting, backend.kernels.variant, density);
  if (!Object.values(products).includes(true)) return null;
  const weight = createBlockSparseWeight(backend, blocks, parameter.value);
  const kept = countNonzero(weight.values.data.subarray(0, BLOCK_OUTPUTS * weight.blocks));
  if (kept === countNonzero(parameter.value.data))
    return { weight, products, wholeBlocks: keepsWhole(blocks, masks) };
  releaseBlockSparseWeight(weight);
  return undefined;
}

/** Whether masks keep every weight of blocks. */
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

function countNonzero(values: Float32Array): number {
  let count = 0;
  for (let i = 0; i < values.length; i++) if (values[i] !== 0) count++;
  return count;
}

/** Whether nothing reads the gradient of a weight's pruned elements. */
function ignoresPruned(
  { parameter, owners }: PrunedWeight,
  { optimizer, step }: SparseProductsStep,
): boolean {
  const slot = optimizer.slots.find((candidate) => candidate.parameter === parameter);
  const updated = slot === undefined || slot.updates > 0;
  return updated && owners.every(({ pruner }) => masksAreFinal(pruner, step));
}
