/**
 * A prune step (INC: `update_masks`, `update_masks_progressive`), which computes new masks for the target ratio of the
 * schedule. The criteria `gradient` and `snip` have no scores before their first gradient. A prune step without scores
 * changes no mask but counts as completed. With `lock_init_sparsity`, the start step first computes masks from the
 * zeros that the weights contain, and the share of pruned blocks becomes the initial sparsity. If the sparsity is
 * already above the target, nothing is pruned.
 */
import { expandBlocks } from "./blocks.ts";
import { countOf, prunedBlocks, totalOf } from "./count.ts";
import { accumulates, ruleOf, scoresByBlockMask } from "./criteria.ts";
import { ofElements } from "./layout.ts";
import { lockedMask } from "./lock.ts";
import { elements, inWeightOrder, maskOf, weightMatrix } from "./matrix.ts";
import { rearrangedBlocks } from "./rearrange.ts";
import { Refusal } from "./refusal.ts";
import { replacedMasks } from "./replace.ts";
import { targetOf } from "./schedule.ts";
import type { ReferencePruner, ReferenceState, Weights } from "./state.ts";
import { withFreshScores } from "./step-scores.ts";

function countPruner({ config, profile, layers }: ReferencePruner): {
  pruned: number;
  total: number;
} {
  return totalOf(
    layers.map(({ layout, mask, shape }) =>
      countOf(config.pattern, layout, weightMatrix(mask, shape), profile),
    ),
  );
}

/** The share of pruned blocks, converted to a share of elements for N:M. */
function sparsityOf(pruner: ReferencePruner): number {
  const { pruned, total } = countPruner(pruner);
  return total === 0 ? 0 : ofElements(pruner.config.pattern, pruned / total);
}

/** Computes the masks of all layers from the zeros in their weights. */
export function withLockedMasks(pruner: ReferencePruner, weights: Weights): ReferencePruner {
  const layers = pruner.layers.map((layer) => {
    const weight = weightMatrix(weights.get(layer.name) as Float32Array, layer.shape);
    const mask = lockedMask(pruner.config.pattern, layer.layout, weight, pruner.profile);
    return { ...layer, mask: inWeightOrder(mask, layer.shape) };
  });
  return { ...pruner, layers };
}

/**
 * Applies `lock_init_sparsity` at the start step. INC has already initialised block masks from the zeros, so it keeps
 * these masks. In progressive pruning, `strict` copies the locked zeros to the interpolated masks immediately, whereas
 * INC does so at the next prune step.
 */
export function withInitialSparsity(pruner: ReferencePruner, weights: Weights): ReferencePruner {
  const { config, step, profile } = pruner;
  if (!config.lockInitSparsity || step !== config.startStep) return pruner;
  const keeps = profile === "inc" && scoresByBlockMask(config.criterion);
  const locked = keeps ? pruner : withLockedMasks(pruner, weights);
  const sparsity = sparsityOf(locked);
  const sparse = { ...locked, initialSparsity: sparsity, currentSparsity: sparsity };
  if (profile === "inc") return sparse;
  const layers = locked.layers.map((layer) => ({
    ...layer,
    before: layer.mask,
    applied: layer.mask,
  }));
  return { ...sparse, layers };
}

/** For the criterion retrain_free, chooses the pruned blocks of a layer again, based on the collected gradients. */
function rearranged(
  { config, profile }: ReferencePruner,
  before: ReferenceState,
  layer: ReferenceState,
): ReferenceState {
  const { layout, collected, shape, mask } = layer;
  const flagsOf = (one: Uint8Array): number[] =>
    elements(prunedBlocks(config.pattern, layout, weightMatrix(one, shape), profile));
  if (!layout.divides || collected.length === 0) return layer;
  const flags = flagsOf(mask);
  const count = flags.filter((flag) => flag === 1).length;
  if (count === 0) return layer;
  // INC fails if there is only one collected gradient, and turns a mask with a single column into a square one.
  if (profile === "inc" && (collected.length === 1 || layout.columns === 1))
    throw new Refusal("unsupported-combination", "a mask that cannot be rearranged");
  const vectors = flags.map((_, block) => collected.map((one) => elements(one)[block]));
  const old = profile === "strict" ? flagsOf(before.mask) : [];
  const settled = [...old.keys()].filter((block) => old[block] === 1);
  const chosen = rearrangedBlocks(vectors, count, settled, config.lowMemoryUsage);
  const { rows, columns } = layout;
  const blocks = maskOf(rows, columns, (_row, _column, block) => !chosen.includes(block));
  const expanded = expandBlocks(blocks, layout.height, layout.width);
  return { ...layer, mask: inWeightOrder(expanded, shape) };
}

/**
 * Refuses a frozen layer on which INC's group lasso fails. INC does not expand the layer's terms from blocks to
 * elements, but PyTorch can still broadcast them if there is one term for each row, column or element of the weight.
 */
function refuseFrozenLasso({ config }: ReferencePruner, layers: readonly ReferenceState[]): void {
  if (config.groupLasso === null || accumulates(config.criterion)) return;
  for (const { frozen, shape, layout } of layers) {
    const fits =
      shape.length === 2 &&
      (layout.height === 1 || layout.rows === 1) &&
      (layout.width === 1 || layout.columns === 1);
    if (frozen && !fits) throw new Refusal("unsupported-combination", "group lasso when frozen");
  }
}

/**
 * Runs a prune step, without applying the new masks to the weights. `initial` is the sparsity at the start of the
 * schedule.
 */
export function withNewMasks(
  pruner: ReferencePruner,
  weights: Weights,
  initial: number,
): { readonly pruner: ReferencePruner; readonly scored: boolean } {
  const { config, profile, completedPruneSteps, totalPruneSteps, step } = pruner;
  const { readsGradients } = ruleOf(config.criterion);
  const current = readsGradients ? pruner : withFreshScores(pruner, weights, weights);
  // The formula of a decay can miss the final target by a rounding error. `strict` uses the target itself.
  const isLast = profile === "strict" && completedPruneSteps >= totalPruneSteps;
  const ratio = isLast
    ? config.targetSparsity
    : targetOf(config, completedPruneSteps, totalPruneSteps, initial);
  const scored = current.layers.some(({ scores }) => scores !== null);
  let layers = current.layers;
  if (scored) {
    layers = replacedMasks(config, profile, layers, ratio);
    if (profile === "inc") refuseFrozenLasso(current, layers);
    layers = layers.map((layer, i) => {
      const old = current.layers[i];
      const after = config.criterion === "retrain_free" ? rearranged(current, old, layer) : layer;
      return { ...after, before: old.mask };
    });
  }
  const next = { ...current, layers, completedPruneSteps: completedPruneSteps + 1 };
  const { pruned, total } = countPruner(next);
  const lastEvent = {
    step,
    targetRatio: ratio,
    scored,
    prunedBlocks: pruned,
    totalBlocks: total,
  };
  return { pruner: { ...next, lastEvent }, scored };
}

/** Sets the current sparsity to the share of pruned blocks. */
export function withCurrentSparsity(pruner: ReferencePruner): ReferencePruner {
  return { ...pruner, currentSparsity: sparsityOf(pruner) };
}
