/**
 * One-shot pruning under `strict` of models larger than memory: layers are read one at a time, and several times over
 * where they share a budget. Masks are those of `pruneOnce`, bit for bit.
 */

import type { PruningKernels } from "../core/pruning-kernels.ts";
import { sumOf } from "../core/sum.ts";
import { type Decision, KEEP_ALL } from "./budget.ts";
import { type Competitor, createReplaceScratch, exactCandidate } from "./candidates.ts";
import type { PatternPrunerConfig } from "./config.ts";
import { needsGradient } from "./criteria.ts";
import {
  type ExactCandidate,
  exactCount,
  fewestWithin,
  imposeBoundsInto,
  planExactBudget,
} from "./exact.ts";
import { initialisePruning } from "./initialise.ts";
import { type LayerRecord, refusePruning } from "./layer.ts";
import { type BlockLayout, blockCount, indivisibleReason, layOut, perBlock } from "./pattern.ts";
import { plainKernels } from "./plain-kernels.ts";
import { checkRoom, checkSettings, checkSomething } from "./refusals.ts";
import { commitPlanInto } from "./replace.ts";
import { createScoreScratch } from "./score.ts";
import { type SkippedLayer, selectLayers } from "./select.ts";
import type { PrunerState } from "./state.ts";
import {
  createSelectionScratch,
  findLeading,
  type SelectionScratch,
  scoreInBucket,
} from "./threshold.ts";
import { updateScores } from "./update-scores.ts";

/** A layer whose weight is read when it is needed. */
export interface LayerSource extends Pick<LayerRecord, "name" | "kind" | "shape"> {
  /** The weight and, for criteria that need it, its gradient. Called more than once, for the same values. */
  readonly read: () => Pick<LayerRecord, "data" | "gradient">;
}

/** What becomes of a layer. */
interface LayerFate {
  readonly name: string;
  readonly layout: BlockLayout;
  readonly blocks: number;
  /** Fewest and most blocks to lose where the bounds decide; null where they do not. */
  readonly bounds: { readonly fewest: number; readonly most: number } | null;
  /** Null in local scope: made from the layer's own scores when it is pruned. */
  readonly decision: Decision | null;
}

/** What one pruner is going to do to each layer. */
export interface LayerwisePlan {
  readonly config: PatternPrunerConfig;
  /** Blocks to prune, and all, of the layers that it prunes. */
  readonly budget: number;
  readonly blocks: number;
  readonly layers: ReadonlyMap<string, LayerFate>;
  readonly skipped: readonly SkippedLayer[];
}

/** What planning works with. */
interface Planning {
  readonly config: PatternPrunerConfig;
  /** The layers that the pattern divides. */
  readonly sources: readonly LayerSource[];
  readonly selection: SelectionScratch;
}

/** What a layer loses. */
interface Taken {
  readonly decision: Decision;
  readonly taken: number;
}

/** Values of half a score's bits. */
const HALF_WORDS = 0x10000;
const NO_DATA = new Float32Array(0);

/** A layer in memory, with its scores. */
interface OpenLayer {
  readonly pruner: PrunerState;
  readonly competitor: Competitor;
  readonly candidate: ExactCandidate;
  readonly scratch: ReturnType<typeof createReplaceScratch>;
}

function open(
  config: PatternPrunerConfig,
  source: LayerSource,
  selection: SelectionScratch,
): OpenLayer {
  const { name, kind, shape } = source;
  const { data, gradient } = source.read();
  const record: LayerRecord = { name, kind, shape, data, gradient: gradient ?? null };
  const options = { profile: "strict", excludeHead: false, indivisible: "skip" } as const;
  const [pruner] = initialisePruning({ pruners: [config] }, [record], options).pruners;
  if (pruner === undefined) throw new RangeError("pruners: expected one, got none");
  if (needsGradient(config.criterion) && record.gradient === null)
    refusePruning("missing-gradient", name, `a gradient for ${config.criterion}`, "none", name);
  const replace = createReplaceScratch(pruner, selection);
  const score = createScoreScratch(selection.kernels);
  updateScores(pruner, {
    ...{ score, replace },
    maskGradients: NO_DATA,
    records: [record],
  });
  const [layer] = pruner.layers;
  const [own] = replace.layers;
  if (layer === undefined || own === undefined)
    throw new RangeError(`${name}: expected a layer that ${config.criterion} scores, got none`);
  const competitor = { layer, own };
  const candidate = exactCandidate(pruner, competitor, config.targetSparsity, replace);
  return { pruner, competitor, candidate, scratch: replace };
}

/** A layer's scores with its bounds imposed, as they compete for the shared budget. */
function competingScores(
  config: PatternPrunerConfig,
  source: LayerSource,
  { bounds }: Pick<LayerFate, "bounds">,
  selection: SelectionScratch,
): OpenLayer {
  const opened = open(config, source, selection);
  if (bounds !== null)
    imposeBoundsInto({ ...opened.candidate, most: bounds.most }, bounds.fewest, selection);
  return opened;
}

/** Makes something of each layer's scores in turn, and says after each which it was. */
function* eachLayer<T>(
  { config, sources, selection }: Planning,
  fates: readonly LayerFate[],
  look: (scores: Float32Array) => T,
): Generator<string, readonly T[]> {
  const found: T[] = [];
  for (const [i, source] of sources.entries()) {
    const fate = fates[i] ?? { bounds: null };
    found.push(look(competingScores(config, source, fate, selection).candidate.scores));
    yield source.name;
  }
  return found;
}

/** A decision on each layer that together take exactly `budget` scores, and how many of its own each takes. */
function* decide(
  planning: Planning,
  fates: readonly LayerFate[],
  budget: number,
): Generator<string, readonly Taken[]> {
  const { kernels } = planning.selection;
  if (budget === 0) return fates.map(() => ({ decision: KEEP_ALL, taken: 0 }));
  if (budget === sumOf(fates, ({ blocks }) => blocks)) {
    const decision = { threshold: Infinity, ties: 0 };
    return fates.map(({ blocks }) => ({ decision, taken: blocks }));
  }
  // Both histograms are sums of the layers'. Scores were looked through when they were made: none is NaN.
  const histogram = new Uint32Array(HALF_WORDS);
  yield* eachLayer(planning, fates, (scores) => kernels.countLeadingBitsInto([scores], histogram));
  const leading = findLeading(histogram, budget);
  histogram.fill(0);
  yield* eachLayer(planning, fates, (scores) =>
    kernels.countTrailingBitsInto([scores], leading.bucket, histogram),
  );
  const threshold = scoreInBucket(leading, histogram, budget);
  const counts = yield* eachLayer(planning, fates, (scores) => {
    const below = kernels.countBelow(scores, threshold, false);
    return { below, equal: kernels.countBelow(scores, threshold, true) - below };
  });
  let left = budget - sumOf(counts, ({ below }) => below);
  return counts.map(({ below, equal }) => {
    const ties = Math.min(equal, left);
    left -= ties;
    return { decision: { threshold, ties }, taken: below + ties };
  });
}

/** Decisions for a budget that all layers share. */
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
  const free = yield* decide(planning, fates, budget);
  const isWithin = bounds.every(({ most }, i) => {
    const taken = free[i]?.taken ?? 0;
    return taken >= (fewest[i] ?? 0) && taken <= most;
  });
  const withDecisions = (
    current: readonly LayerFate[],
    made: readonly Taken[],
  ): readonly LayerFate[] =>
    current.map((fate, i) => ({ ...fate, decision: made[i]?.decision ?? KEEP_ALL }));
  if (isWithin) return withDecisions(fates, free);
  const bounded = fates.map((fate, i) => ({
    ...fate,
    bounds: { fewest: fewest[i] ?? 0, most: bounds[i]?.most ?? 0 },
  }));
  return withDecisions(bounded, yield* decide(planning, bounded, budget));
}

/**
 * Decides what each layer loses, with the name of a layer each time that it has been read. In global scope every selected layer is read three times, six where a per-layer bound
 * decides; in local scope, or where all blocks or none are pruned, none is read.
 *
 * @param config one-shot, from `oneShotConfig`
 * @param sources all layers in module order, without the classifier head where that is to be left alone
 * @param kernels loops to use instead of those in plain JavaScript
 * @throws PruningError where nothing can be pruned as asked, or a score is not finite
 */
export function* layerwisePlanning(
  config: PatternPrunerConfig,
  sources: readonly LayerSource[],
  kernels: PruningKernels = plainKernels,
): Generator<string, LayerwisePlan> {
  const records = sources.map(({ name, kind, shape }) => ({ name, kind, shape, data: NO_DATA }));
  const { selected, skipped } = selectLayers(config, records, false, "strict");
  const laidOut = selected.map((layer) => ({ ...layer, layout: layOut(config.pattern, layer) }));
  checkSettings(config, true);
  checkSomething(config, laidOut);
  const divided = laidOut.filter(({ layout }) => layout.divides);
  checkRoom(config, divided);
  const fates: readonly LayerFate[] = divided.map(({ name, layout }) => ({
    ...{ name, layout, blocks: blockCount(layout) },
    ...{ bounds: null, decision: null },
  }));
  const blocks = sumOf(fates, (fate) => fate.blocks);
  const share = perBlock(config.pattern, config.targetSparsity);
  const isGlobal = config.pruningScope === "global";
  const budget = isGlobal
    ? exactCount(blocks, share)
    : sumOf(fates, (fate) => exactCount(fate.blocks, share));
  const byName = new Map(sources.map((source) => [source.name, source]));
  const chosen = fates.flatMap(({ name }) => byName.get(name) ?? []);
  const planning = { config, sources: chosen, selection: createSelectionScratch(kernels) };
  const layers = isGlobal ? yield* shareBudget(planning, fates, budget) : fates;
  const indivisible = laidOut
    .filter(({ layout }) => !layout.divides)
    .map(({ name, shape }) => ({
      name,
      reason: indivisibleReason(config.pattern, shape),
    }));
  return {
    ...{ config, budget, blocks },
    layers: new Map(layers.map((fate) => [fate.name, fate])),
    skipped: [...skipped, ...indivisible],
  };
}

/**
 * {@link layerwisePlanning} at one go.
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

/** A layer's new mask, and the blocks that it prunes. */
export interface LayerMask {
  /** 1 = kept, in the weight's layout. */
  readonly mask: Uint8Array;
  readonly prunedBlocks: number;
  readonly blocks: number;
}

/**
 * The mask of one layer under a plan; null for a layer that the plan leaves alone.
 *
 * @throws PruningError for a score that is not finite
 */
export function layerMask(
  { config, layers }: LayerwisePlan,
  source: LayerSource,
  kernels: PruningKernels = plainKernels,
): LayerMask | null {
  const fate = layers.get(source.name);
  if (fate === undefined) return null;
  const selection = createSelectionScratch(kernels);
  const opened = competingScores(config, source, fate, selection);
  const { pruner, competitor, candidate, scratch } = opened;
  const budget = exactCount(fate.blocks, perBlock(config.pattern, config.targetSparsity));
  const [alone = KEEP_ALL] =
    fate.decision === null ? planExactBudget([candidate], budget, selection) : [fate.decision];
  commitPlanInto(true, pruner, { ...competitor, decision: alone, frozen: false }, scratch);
  const prunedBlocks = countTaken(candidate.scores, alone);
  return { mask: competitor.layer.mask, prunedBlocks, blocks: fate.blocks };
}

/** Scores that a decision takes. */
function countTaken(scores: Float32Array, { threshold, ties }: Decision): number {
  let [below, equal] = [0, 0];
  for (let i = 0; i < scores.length; i++) {
    if (scores[i] < threshold) below++;
    else if (scores[i] === threshold) equal++;
  }
  return below + Math.min(equal, ties);
}
