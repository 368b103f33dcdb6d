/**
 * INC's three hooks for one pruner (`on_step_begin`, `on_before_optimizer_step` and `on_after_optimizer_step`; for
 * retrain_free also `on_step_end`). Each hook returns the pruner's new state, and the new weights if it can change
 * weights.
 */
import { ruleOf, scoresByBlockMask } from "./criteria.ts";
import { exactLassoTerms, lassoTerms, shrunkWeight } from "./lasso.ts";
import { layoutOf } from "./layout.ts";
import { inWeightOrder, type Matrix, weightMatrix } from "./matrix.ts";
import { interpolatedMasks, partsOf } from "./progressive.ts";
import {
  withCurrentSparsity,
  withInitialSparsity,
  withLockedMasks,
  withNewMasks,
} from "./prune-step.ts";
import { Refusal } from "./refusal.ts";
import { pruneStepsOf } from "./schedule.ts";
import {
  elementwiseScores,
  interpolates,
  type ReferencePruner,
  type ReferenceState,
  type Weights,
} from "./state.ts";
import { withFreshScores } from "./step-scores.ts";

/** The state of one pruner and the weights of all layers, before or after a hook. */
export interface Stage {
  readonly pruner: ReferencePruner;
  readonly weights: Weights;
}

/** Applies `change` to the weights of the pruner's layers. */
function changed(
  { pruner, weights }: Stage,
  change: (layer: ReferenceState, weight: Float32Array) => Float32Array,
): Stage {
  const own = pruner.layers.map(
    (layer) => [layer.name, change(layer, weights.get(layer.name) as Float32Array)] as const,
  );
  return { pruner, weights: new Map([...weights, ...own]) };
}

/** Applies the full masks (`mask`) or the interpolated masks (`applied`) to the weights. */
function masked(stage: Stage, which: "mask" | "applied"): Stage {
  return changed(stage, (layer, weight) =>
    weight.map((value, i) => (layer[which][i] === 0 ? 0 : value)),
  );
}

/**
 * Divides the mask changes of the latest prune step into `parts` parts, and sets the interpolated masks to the masks
 * after the first `part` parts.
 */
function withPart(pruner: ReferencePruner, part: number, parts: number): ReferencePruner {
  const changes = pruner.layers.map((layer) => ({
    before: weightMatrix(layer.before, layer.shape),
    after: weightMatrix(layer.mask, layer.shape),
    applied: weightMatrix(layer.applied, layer.shape),
    scores: elementwiseScores(layer),
  }));
  const { profile, config } = pruner;
  const together = profile === "inc" || config.pruningScope === "global";
  const groups = together ? [changes] : changes.map((change) => [change]);
  const masks = groups.flatMap((group) => interpolatedMasks(group, part, parts, profile));
  const layers = pruner.layers.map((layer, i) => ({
    ...layer,
    applied: inWeightOrder(masks[i] as (typeof masks)[number], layer.shape),
  }));
  return { ...pruner, layers };
}

function withAll(pruner: ReferencePruner): ReferencePruner {
  return { ...pruner, layers: pruner.layers.map((layer) => ({ ...layer, applied: layer.mask })) };
}

/** Begins a step of progressive pruning. */
function beginProgressive(stage: Stage): Stage {
  const pruner = withInitialSparsity(stage.pruner, stage.weights);
  const unchanged = { pruner, weights: stage.weights };
  const { config, profile, step, currentSparsity } = pruner;
  const { parts, interval } = partsOf(config, profile);
  const isPruneStep = pruneStepsOf(config).includes(step);
  const origin = profile === "inc" ? config.startStep : pruner.lastPruneStep;
  const inWindow = step >= config.startStep && step <= config.endStep;
  const isTick = inWindow && (step - origin) % interval === 0;
  if ((!isPruneStep && !isTick) || currentSparsity > config.targetSparsity) return unchanged;
  const of = profile === "inc" ? 4 : parts;
  if (isPruneStep) {
    const since = { ...pruner, lastPruneStep: step };
    const initial = profile === "inc" ? 0 : pruner.initialSparsity;
    const next = withNewMasks(since, stage.weights, initial);
    if (!next.scored) return { pruner: next.pruner, weights: stage.weights };
    return masked({ pruner: withPart(next.pruner, 1, of), weights: stage.weights }, "applied");
  }
  const part = Math.floor((step - pruner.lastPruneStep) / interval) + 1;
  const next = part < parts ? withPart(pruner, part, of) : withAll(pruner);
  return masked({ pruner: next, weights: stage.weights }, "applied");
}

/** Begins a step of pruning without interpolated masks. */
function beginPlain(stage: Stage): Stage {
  const pruner = withInitialSparsity(stage.pruner, stage.weights);
  const { config, step, currentSparsity, initialSparsity } = pruner;
  if (!pruneStepsOf(config).includes(step) || currentSparsity > config.targetSparsity)
    return { pruner, weights: stage.weights };
  const next = withNewMasks(pruner, stage.weights, initialSparsity);
  if (!next.scored) return { pruner: next.pruner, weights: stage.weights };
  const after = { pruner: withCurrentSparsity(next.pruner), weights: stage.weights };
  return config.criterion === "retrain_free" ? after : masked(after, "mask");
}

/** Begins a training step. At a prune step, computes new masks and applies them to the weights. */
export function beginStep(stage: Stage): Stage {
  const { config, step, aligned, profile } = stage.pruner;
  if (config.method === "pattern_lock") {
    if (!pruneStepsOf(config).includes(step)) return stage;
    return { ...stage, pruner: withLockedMasks(stage.pruner, stage.weights) };
  }
  if (!interpolates(stage.pruner)) return beginPlain(stage);
  if (step <= config.endStep || aligned) return beginProgressive(stage);
  // After the end step INC applies the full masks once, then the interpolated masks again.
  const pruner = profile === "strict" ? withAll(stage.pruner) : stage.pruner;
  const full = masked({ ...stage, pruner }, "mask");
  return beginProgressive({ ...full, pruner: { ...pruner, aligned: true } });
}

/** Before the optimizer step: updates the scores, and under `inc` also the group lasso terms, from the gradients. */
export function beforeOptimizer({ pruner, weights }: Stage, gradients: Weights): ReferencePruner {
  const { config, step, profile } = pruner;
  const { criterion, method, groupLasso, pattern, startStep, endStep } = config;
  if (method === "pattern_lock") return pruner;
  // Block masks have gradients only from the start step to the end step.
  if (scoresByBlockMask(criterion) && (step < startStep || step > endStep)) return pruner;
  if (ruleOf(criterion).readsGradients || groupLasso !== null)
    for (const { name } of pruner.layers)
      if (!gradients.has(name)) throw new Refusal("missing-gradient", name);
  const layers = pruner.layers.map((layer) => {
    const layout = layoutOf(pattern, layer.shape);
    if (groupLasso === null || profile === "strict") return layer;
    if (criterion === "retrain_free" || !layout.divides) return layer;
    const gradient = weightMatrix(gradients.get(layer.name) as Float32Array, layer.shape);
    return { ...layer, lasso: lassoTerms(layout, groupLasso, gradient) };
  });
  const next = { ...pruner, layers };
  return ruleOf(criterion).readsGradients ? withFreshScores(next, weights, gradients) : next;
}

/**
 * After the optimizer step: applies group lasso from the start step to the end step, then zeroes pruned weights. With
 * the criterion retrain_free, the weights are masked only at the end step, and under `strict` also at all later steps.
 */
export function afterOptimizer(stage: Stage): Stage {
  const { config, step, profile } = stage.pruner;
  const { method, criterion, startStep, endStep, pattern, groupLasso } = config;
  if (criterion === "retrain_free") {
    const due = step === endStep || (profile === "strict" && step > endStep);
    const next = { ...stage.pruner, step: step + 1 };
    return { ...(due ? masked(stage, "mask") : stage), pruner: next };
  }
  const inWindow = step >= startStep && step <= endStep;
  const layers = stage.pruner.layers.map((layer) => {
    const layout = layoutOf(pattern, layer.shape);
    if (groupLasso === null || profile === "inc" || !inWindow) return layer;
    if (method === "pattern_lock" || !layout.divides) return layer;
    const weight = weightMatrix(stage.weights.get(layer.name) as Float32Array, layer.shape);
    return { ...layer, lasso: exactLassoTerms(layout, groupLasso, weight) };
  });
  const next = { ...stage.pruner, layers, step: step + 1 };
  const shrunk = changed({ ...stage, pruner: next }, ({ lasso, shape }, weight) => {
    if (lasso === null || !inWindow) return weight;
    const matrix: Matrix = weightMatrix(weight, shape);
    return inWeightOrder(shrunkWeight(layoutOf(pattern, shape), lasso, matrix), shape);
  });
  const which = interpolates(next) ? "applied" : "mask";
  return { ...masked(shrunk, which), pruner: next };
}
