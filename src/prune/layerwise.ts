/**
 * One-shot pruning under `strict` of models larger than memory. Layers are read one at a time, several times if they
 * share a budget. The masks equal those of `pruneOnce` bit for bit.
 */
import type { PruningKernels } from "../core/pruning-kernels.ts";
import { sumOf } from "../core/sum.ts";
import { admitLayers } from "./admit.ts";
import { type Decision, KEEP_ALL } from "./budget.ts";
import { exactCandidate } from "./candidates.ts";
import type { PatternPrunerConfig } from "./config.ts";
import { needsGradient } from "./criteria.ts";
import {
  exactCount,
  fewestWithin,
  imposeBoundsInto,
  keepsBounds,
  type LayerDecision,
  planExactBudget,
  takeExactly,
} from "./exact.ts";
import { type LayerRecord, type LayerShape, refusePruning } from "./layer.ts";
import { writeMaskInto } from "./mask-plan.ts";
import { type BlockLayout, blockCount, perBlock } from "./pattern.ts";
import { preparePruner } from "./pipeline.ts";
import { plainKernels } from "./plain-kernels.ts";
import { PROFILES } from "./profiles.ts";
import { updateScoresInto } from "./score.ts";
import { createPrunerScratches } from "./scratch.ts";
import type { SkippedLayer } from "./select.ts";
import {
  createSelectionScratch,
  findLeading,
  type SelectionScratch,
  scoreInBucket,
} from "./threshold.ts";

/** A layer whose weight is read on demand. */
export interface LayerSource extends LayerShape {
  /** Reads the weight and, if the criterion needs it, the gradient. Each call must return the same values. */
  readonly read: () => Pick<LayerRecord, "data" | "gradient">;
}

/** The plan of one layer. */
interface LayerFate {
  readonly name: string;
  readonly layout: BlockLayout;
  readonly blocks: number;
  /** Fewest and most blocks to prune if the bounds affect the decision, else null. */
  readonly bounds: { readonly fewest: number; readonly most: number } | null;
  /** Null in local scope: it is computed from the layer's own scores when the layer is pruned. */
  readonly decision: Decision | null;
}

/** The plan of one pruner for each layer. */
export interface LayerwisePlan {
  readonly config: PatternPrunerConfig;
  /** Blocks to prune and all blocks, of the layers that the pattern divides. */
  readonly budget: number;
  readonly blocks: number;
  readonly layers: ReadonlyMap<string, LayerFate>;
  readonly skipped: readonly SkippedLayer[];
}

interface Planning {
  readonly config: PatternPrunerConfig;
  /** The layers that the pattern divides. */
  readonly sources: readonly LayerSource[];
  readonly selection: SelectionScratch;
}

/** Number of values of half of the bits of a score. */
const HALF_WORDS = 0x10000;
const ADMISSION = { excludeHead: false, allowNothing: false, indivisible: "skip" } as const;

/** Reads a layer and scores it. If there are bounds, the scores are marked by them. */
function openLayer(
  config: PatternPrunerConfig,
  { name, kind, shape, read }: LayerSource,
  bounds: LayerFate["bounds"],
  selection: SelectionScratch,
) {
  const { data, gradient = null } = read();
  const record: LayerRecord = { name, kind, shape, data, gradient };
  const { pruner } = preparePruner(config, [record], PROFILES.strict, ADMISSION);
  if (needsGradient(config.criterion) && gradient === null)
    refusePruning("missing-gradient", name, `a gradient for ${config.criterion}`, "none", name);
  const [scratch] = createPrunerScratches([pruner], selection.kernels, selection);
  scratch.records[0] = record;
  updateScoresInto(pruner, scratch);
  const candidate = exactCandidate(pruner, 0, config.targetSparsity, scratch);
  if (bounds !== null)
    imposeBoundsInto({ ...candidate, most: bounds.most }, bounds.fewest, selection);
  return { pruner, candidate, scratch };
}

/** Calls `look` with the scores of each layer, and yields the layer's name after it. */
function* eachLayer<T>(
  { config, sources, selection }: Planning,
  fates: readonly LayerFate[],
  look: (scores: Float32Array) => T,
): Generator<string, readonly T[]> {
  const found: T[] = [];
  for (const [i, source] of sources.entries()) {
    found.push(look(openLayer(config, source, fates[i].bounds, selection).candidate.scores));
    yield source.name;
  }
  return found;
}

/** Decisions that together take exactly `budget` scores. */
function* decide(
  planning: Planning,
  fates: readonly LayerFate[],
  budget: number,
): Generator<string, readonly LayerDecision[]> {
  const { kernels } = planning.selection;
  if (budget === 0) return fates.map(() => ({ decision: KEEP_ALL, taken: 0 }));
  if (budget === sumOf(fates, ({ blocks }) => blocks)) {
    const decision = { threshold: Infinity, ties: 0 };
    return fates.map(({ blocks }) => ({ decision, taken: blocks }));
  }
  // Both histograms are sums over the layers. Scores were checked when they were computed, so none is NaN.
  const histogram = new Uint32Array(HALF_WORDS);
  yield* eachLayer(planning, fates, (scores) => kernels.countLeadingBitsInto([scores], histogram));
  const leading = findLeading(histogram, budget);
  histogram.fill(0);
  yield* eachLayer(planning, fates, (scores) =>
    kernels.countTrailingBitsInto([scores], leading.bucket, histogram),
  );
  const threshold = scoreInBucket(leading, histogram, budget);
  const counts = yield* eachLayer(planning, fates, (scores) => ({
    below: kernels.countBelow(scores, threshold, false),
    upTo: kernels.countBelow(scores, threshold, true),
  }));
  const below = counts.map((count) => count.below);
  return takeExactly(budget, threshold, below, (i) => counts[i].upTo);
}

/** Plans a budget that all layers share. */
function* shareBudget(
  planning: Planning,
  fates: readonly LayerFate[],
  budget: number,
): Generator<string, readonly LayerFate[]> {
  const { pattern, targetSparsity, minSparsityRatioPerOp, maxSparsityRatioPerOp } = planning.config;
  const least = perBlock(pattern, Math.min(minSparsityRatioPerOp, targetSparsity));
  const bounds = fates.map(({ blocks }) => ({
    pruned: 0,
    least: exactCount(blocks, least),
    most: exactCount(blocks, perBlock(pattern, maxSparsityRatioPerOp)),
  }));
  const fewest = fewestWithin(bounds, budget);
  let bounded = fates;
  let made = yield* decide(planning, fates, budget);
  if (!keepsBounds(made, fewest, bounds)) {
    bounded = fates.map((fate, i) => ({
      ...fate,
      bounds: { fewest: fewest[i], most: bounds[i].most },
    }));
    made = yield* decide(planning, bounded, budget);
  }
  return bounded.map((fate, i) => ({ ...fate, decision: made[i].decision }));
}

/**
 * Plans the blocks that each layer loses, and yields a layer's name after each time it is read. In global scope every
 * selected layer is read three times, or six times if a per-layer bound takes effect. No layer is read in local scope,
 * or if all blocks or no blocks are pruned.
 *
 * @param config a one-shot configuration, from `oneShotConfig`.
 * @param sources all layers in module order. Omit the classifier head to keep it.
 * @param kernels loops to use instead of those in plain JavaScript.
 * @throws PruningError if the layers cannot be pruned as configured, or if a score is not finite.
 */
export function* layerwisePlanning(
  config: PatternPrunerConfig,
  sources: readonly LayerSource[],
  kernels: PruningKernels = plainKernels,
): Generator<string, LayerwisePlan> {
  const { layers: admitted, skipped } = admitLayers(config, sources, PROFILES.strict, ADMISSION);
  const fates: readonly LayerFate[] = admitted.map(({ name, layout }) => ({
    name,
    layout,
    blocks: blockCount(layout),
    bounds: null,
    decision: null,
  }));
  const blocks = sumOf(fates, (fate) => fate.blocks);
  const share = perBlock(config.pattern, config.targetSparsity);
  const isGlobal = config.pruningScope === "global";
  const budget = isGlobal
    ? exactCount(blocks, share)
    : sumOf(fates, (fate) => exactCount(fate.blocks, share));
  const selection = createSelectionScratch(kernels);
  const planning = { config, sources: admitted, selection };
  const layers = isGlobal ? yield* shareBudget(planning, fates, budget) : fates;
  return {
    config,
    budget,
    blocks,
    layers: new Map(layers.map((fate) => [fate.name, fate])),
    skipped,
  };
}

/**
 * {@link layerwisePlanning} in one call.
 *
 * @example
 * ```ts
 * import { layerMask, oneShotConfig, planLayerwise } from "espalier/checkpoint";
 *
 * const config = oneShotConfig({ pattern: "4x1", targetSparsity: 0.5 });
 * const layer = (name: string, value: number) => ({
 *   ...{ name, kind: "linear" as const, shape: [4, 4] },
 *   read: () => ({ data: new Float32Array(16).fill(value) }),
 * });
 * const layers = [layer("small", 1), layer("large", 2)];
 * const plan = planLayerwise(config, layers);
 * const pruned = layers.map((one) => layerMask(plan, one)?.prunedBlocks);
 * if (pruned.join() !== "4,0") throw new Error("expected all blocks of the small weights");
 * ```
 */
export function planLayerwise(
  config: PatternPrunerConfig,
  sources: readonly LayerSource[],
  kernels: PruningKernels = plainKernels,
): LayerwisePlan {
  const planning = layerwisePlanning(config, sources, kernels);
  for (;;) {
    const { done, value } = planning.next();
    if (done === true) return value;
  }
}

/** A layer's new mask. */
export interface LayerMask {
  /** 1 = kept, in the weight's layout. */
  readonly mask: Uint8Array;
  readonly prunedBlocks: number;
  readonly blocks: number;
}

/**
 * Computes the mask of one layer. Null if the plan skips the layer.
 *
 * @throws PruningError if a score is not finite.
 */
export function layerMask(
  { config, layers }: LayerwisePlan,
  source: LayerSource,
  kernels: PruningKernels = plainKernels,
): LayerMask | null {
  const fate = layers.get(source.name);
  if (fate === undefined) return null;
  const { bounds, decision, blocks } = fate;
  const selection = createSelectionScratch(kernels);
  const { pruner, candidate, scratch } = openLayer(config, source, bounds, selection);
  const budget = exactCount(blocks, perBlock(config.pattern, config.targetSparsity));
  const [own] = decision ? [decision] : planExactBudget([candidate], budget, selection);
  writeMaskInto(pruner, { index: 0, decision: own, exact: true, frozen: false }, scratch);
  const { threshold, ties } = own;
  const { scores } = candidate;
  const below = kernels.countBelow(scores, threshold, false);
  const equal = kernels.countBelow(scores, threshold, true) - below;
  const prunedBlocks = below + Math.min(equal, ties);
  return { mask: pruner.layers[0].mask, prunedBlocks, blocks };
}
