/**
 * Updates the scores at one step (INC: `on_before_optimizer_step` of the criteria, `on_step_begin` for magnitude).
 * Element scores are reduced to block scores before they are added to earlier scores. There is one score per element
 * for N:M patterns, for a layer that does not divide evenly into blocks, and for a frozen layer if the criterion does
 * not accumulate scores. If the criterion accumulates scores, a frozen layer with a block pattern is unfrozen at every
 * step.
 */
import { blockMaskGradients, blockMaskScores, inBfloat16 } from "./block-mask.ts";
import { blockScores } from "./blocks.ts";
import { accumulates, ruleOf, scoresByBlockMask } from "./criteria.ts";
import { type Matrix, mapped, weightMatrix } from "./matrix.ts";
import { accumulatedScores, elementScores } from "./score.ts";
import type { ReferencePruner, ReferenceState, Weights } from "./state.ts";

/** Updates the scores of a layer from its weight and gradient. */
function scoredLayer(
  { config }: ReferencePruner,
  layer: ReferenceState,
  weight: Matrix,
  gradient: Matrix,
): ReferenceState {
  const { criterion, scoreReduction, lowMemoryUsage, pattern } = config;
  const { layout, scores } = layer;
  if (scoresByBlockMask(criterion)) {
    if (scores === null) return layer;
    const gradients = blockMaskGradients(layout, weight, gradient);
    const kept = lowMemoryUsage ? inBfloat16(gradients) : gradients;
    return {
      ...layer,
      scores: blockMaskScores(criterion, scores, gradients, lowMemoryUsage),
      collected: criterion === "retrain_free" ? [...layer.collected, kept] : [],
    };
  }
  const frozen = layer.frozen && !(accumulates(criterion) && pattern.kind === "block");
  const elementwise = pattern.kind === "group" || !layout.divides || frozen;
  const fresh = elementScores(criterion, weight, gradient);
  const reduced = elementwise
    ? fresh
    : blockScores(fresh, layout.height, layout.width, scoreReduction);
  const old = scores ?? mapped(reduced, () => 0);
  const { decay } = ruleOf(criterion);
  const next = decay === null ? reduced : accumulatedScores(old, reduced, decay, lowMemoryUsage);
  return { ...layer, scores: next, elementwise, frozen };
}

/** Updates the scores of all layers of a pruner. */
export function withFreshScores(
  pruner: ReferencePruner,
  weights: Weights,
  gradients: Weights,
): ReferencePruner {
  const layers = pruner.layers.map((layer) => {
    const { name, shape } = layer;
    const weight = weightMatrix(weights.get(name) as Float32Array, shape);
    const gradient = weightMatrix(gradients.get(name) as Float32Array, shape);
    return scoredLayer(pruner, layer, weight, gradient);
  });
  return { ...pruner, layers };
}
