/**
 * One-shot pruning of models larger than memory, under the `strict` profile. Layers are read one at a time, several
 * times if they share a budget. The masks are identical to those from `pruneOnce`.
 */
import { checkMap, checkObject, checkRecords } from "../core/checks.ts";
import type { PruningKernels } from "../core/pruning-kernels.ts";
import { sumOf } from "../core/sum.ts";
import { admitLayers } from "./admit.ts";
import { type Decision, KEEP_ALL, PRUNE_ALL } from "./budget.ts";
import type { PatternPrunerConfig } from "./config.ts";
import {
  exactCount,
  fewestWithin,
  keepsBounds,
  type LayerDecision,
  planExactBudget,
  takeExactly,
} from "./exact.ts";
import type { LayerShape } from "./layer.ts";
import {
  ADMISSION,
  countHalves,
  createLayerWorkspace,
  type HalfCounts,
  type LayerBounds,
  type LayerSource,
  type LayerWorkspace,
  openLayer,
} from "./layer-scores.ts";
import { writeMaskInto } from "./mask-plan.ts";
import { type BlockLayout, blockCount, perBlock } from "./pattern.ts";
import { plainKernels } from "./plain-kernels.ts";
import { PROFILES } from "./profiles.ts";
import type { SkippedLayer } from "./select.ts";
import { bitsOf, findLeading, scoreInBucket } from "./threshold.ts";

/** The plan for one layer. */
interface LayerFate {
  readonly name: string;
  readonly layout: BlockLayout;
  readonly blocks: number;
  /** Null if the per-layer bounds do not affect the decision. */
  readonly bounds: LayerBounds | null;
  /**
   * The blocks to prune. Null in local scope: the decision is made from the layer's own scores when the layer is
   * pruned.
   */
  readonly decision: Decision | null;
}

/** The plan of one pruner for all of its layers. */
export interface LayerwisePlan {
  readonly config: PatternPrunerConfig;
  /**
   * The number of blocks to prune (`budget`), and the number of all blocks (`blocks`) in the layers that the pruner
   * prunes.
   */
  readonly budget: number;
  readonly blocks: number;
  readonly layers: ReadonlyMap<string, LayerFate>;
  readonly skipped: readonly SkippedLayer[];
}

/**
 * A request to read the layers of a pruner once, and to count their scores by the upper or the lower half of their
 * bits.
 */
export interface LayerPass {
  /**
   * If null, all scores are counted by their upper 16 bits. Otherwise the scores whose upper 16 bits are `leading` are
   * counted by their lower 16 bits.
   */
  readonly leading: number | null;
  readonly layers: readonly Pick<LayerFate, "name" | "bounds">[];
}

/** A generator that yields passes over the layers. The caller answers each pass with one histogram per layer. */
type Planning<T> = Generator<LayerPass, T, readonly HalfCounts[]>;

/** The number of values that the upper or lower 16 bits of a score can have. */
const HALF_WORDS = 0x10000;
/** The smallest value of the upper 16 bits with the sign bit set. All larger values have it too. */
const NEGATIVE = 0x8000;

/** Adds up the counts of several layers. No score is NaN, because scores were checked when they were computed. */
function histogramOf(layers: readonly HalfCounts[]): Uint32Array {
  const histogram = new Uint32Array(HALF_WORDS);
  for (const { halves, counts } of layers)
    halves.forEach((half, i) => {
      histogram[half] += counts[i];
    });
  return histogram;
}

/**
 * Returns how many scores have the value `half` in the counted 16 bits (`equal`), and how many have a value there that
 * makes the score lower (`before`). For negative scores, a larger value of these bits means a lower score.
 */
function countsAround(
  { halves, counts }: HalfCounts,
  half: number,
  isNegative: (half: number) => boolean,
): { readonly before: number; readonly equal: number } {
  const orderOf = (one: number): number => (isNegative(one) ? -one : one);
  let [before, equal] = [0, 0];
  halves.forEach((one, i) => {
    if (one === half) equal = counts[i];
    else if (orderOf(one) < orderOf(half)) before += counts[i];
  });
  return { before, equal };
}

/**
 * Returns a decision for each layer, with the number of blocks that the decision prunes. Together, the decisions prune
 * exactly `budget` blocks.
 */
function* decide(fates: readonly LayerFate[], budget: number): Planning<readonly LayerDecision[]> {
  if (budget === 0) return fates.map(() => ({ decision: KEEP_ALL, taken: 0 }));
  if (budget === sumOf(fates, ({ blocks }) => blocks))
    return fates.map(({ blocks }) => ({ decision: PRUNE_ALL, taken: blocks }));
  const upper = yield { leading: null, layers: fates };
  const leading = findLeading(histogramOf(upper), budget);
  const lower = yield { leading: leading.bucket, layers: fates };
  const threshold = scoreInBucket(leading, histogramOf(lower), budget);
  const trailing = bitsOf(threshold) & (HALF_WORDS - 1);
  const isNegative = leading.bucket >= NEGATIVE;
  const counts = fates.map((_, i) => {
    const { before } = countsAround(upper[i], leading.bucket, (half) => half >= NEGATIVE);
    const inBucket = countsAround(lower[i], trailing, () => isNegative);
    return { below: before + inBucket.before, equal: inBucket.equal };
  });
  const below = counts.map((count) => count.below);
  return takeExactly(budget, threshold, below, (i) => counts[i].below + counts[i].equal);
}

/** Divides a budget that all layers share, and adds the decisions to the plans for the layers. */
function* shareBudget(
  { pattern, targetSparsity, ...limits }: PatternPrunerConfig,
  fates: readonly LayerFate[],
  budget: number,
): Planning<readonly LayerFate[]> {
  const { minSparsityRatioPerOp, maxSparsityRatioPerOp } = limits;
  const least = perBlock(pattern, Math.min(minSparsityRatioPerOp, targetSparsity));
  const bounds = fates.map(({ blocks }) => ({
    pruned: 0,
    least: exactCount(blocks, least),
    most: exactCount(blocks, perBlock(pattern, maxSparsityRatioPerOp)),
  }));
  const fewest = fewestWithin(bounds, budget);
  const free = yield* decide(fates, budget);
  const withDecisions = (
    current: readonly LayerFate[],
    made: readonly LayerDecision[],
  ): readonly LayerFate[] => current.map((fate, i) => ({ ...fate, decision: made[i].decision }));
  if (keepsBounds(free, fewest, bounds)) return withDecisions(fates, free);
  const bounded = fates.map((fate, i) => ({
    ...fate,
    bounds: { fewest: fewest[i], most: bounds[i].most },
  }));
  return withDecisions(bounded, yield* decide(bounded, budget));
}

/**
 * Plans which blocks to prune in each layer, from the histograms that the caller supplies for each pass. In global
 * scope, every selected layer is read twice, or four times if a per-layer bound takes effect. No layer is read in local
 * scope, or if all blocks or no blocks are to be pruned.
 *
 * @param config a one-shot configuration, from `oneShotConfig`.
 * @param layers all layers in module order. To leave the classifier head unpruned, omit it.
 * @throws PruningError if the layers cannot be pruned as configured.
 */
export function* layerwisePlanning(
  config: PatternPrunerConfig,
  layers: readonly LayerShape[],
): Planning<LayerwisePlan> {
  const { layers: admitted, skipped } = admitLayers(config, layers, PROFILES.strict, ADMISSION);
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
  const decided = isGlobal ? yield* shareBudget(config, fates, budget) : fates;
  return {
    config,
    budget,
    blocks,
    layers: new Map(decided.map((fate) => [fate.name, fate])),
    skipped,
  };
}

/**
 * Plans which blocks to prune in each layer. In global scope, every selected layer is read twice, or four times if a
 * per-layer bound takes effect. No layer is read in local scope, or if all blocks or no blocks are to be pruned.
 *
 * @param config a one-shot configuration, from `oneShotConfig`.
 * @param sources all layers in module order. To leave the classifier head unpruned, omit it.
 * @param kernels the kernels to use instead of those in plain JavaScript.
 * @throws PruningError if the layers cannot be pruned as configured, or if a score is not finite.
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
  checkObject("config", config, "pattern", "targetSparsity");
  checkRecords("sources", sources, "name", "kind", "shape", "read");
  checkObject("kernels", kernels, "writeMaskInto");
  const planning = layerwisePlanning(config, sources);
  const byName = new Map(sources.map((source) => [source.name, source]));
  const workspace = createLayerWorkspace(kernels);
  let step = planning.next();
  while (!step.done) {
    const { leading, layers } = step.value;
    const counts = layers.flatMap(({ name, bounds }) => {
      const source = byName.get(name);
      return source ? [countHalves(config, [source], bounds, leading, workspace)] : [];
    });
    step = planning.next(counts);
  }
  return step.value;
}

/** The new mask of a layer, with the numbers of its pruned blocks and of all its blocks. */
export interface LayerMask {
  /** 1 for each kept and 0 for each pruned element, in the weight's layout. */
  readonly mask: Uint8Array;
  readonly prunedBlocks: number;
  readonly blocks: number;
  /** The number of pruned blocks whose scores equal the threshold. */
  readonly ties: number;
}

/**
 * Computes the mask of one layer according to a plan. Returns null if the plan skips the layer.
 *
 * @throws PruningError if a score is not finite.
 */
export function layerMask(
  plan: LayerwisePlan,
  source: LayerSource,
  kernels: PruningKernels = plainKernels,
): LayerMask | null {
  checkObject("plan", plan, "config", "layers");
  checkMap("plan.layers", plan.layers);
  checkObject("source", source, "name", "shape", "read");
  checkObject("kernels", kernels, "writeMaskInto");
  return layerMaskIn(createLayerWorkspace(kernels), plan, source);
}

/**
 * {@link layerMask} with the working memory of the plan's pruner. The mask is valid only until the next call, which may
 * overwrite it.
 */
export function layerMaskIn(
  workspace: LayerWorkspace,
  { config, layers }: LayerwisePlan,
  source: LayerSource,
): LayerMask | null {
  const fate = layers.get(source.name);
  if (fate === undefined) return null;
  const { bounds, decision, blocks } = fate;
  const { selection } = workspace;
  const { pruner, candidate, scratch } = openLayer(config, source, bounds, workspace);
  const budget = exactCount(blocks, perBlock(config.pattern, config.targetSparsity));
  const [own] = decision ? [decision] : planExactBudget([candidate], budget, selection);
  writeMaskInto(pruner, { index: 0, decision: own, exact: true, frozen: false }, scratch);
  const { threshold, ties } = own;
  const { scores } = candidate;
  const below = selection.kernels.countBelow(scores, threshold, false);
  const equal = selection.kernels.countBelow(scores, threshold, true) - below;
  const tied = Math.min(equal, ties);
  return { mask: pruner.layers[0].mask, prunedBlocks: below + tied, blocks, ties: tied };
}

/**
 * Whether a plan allows a layer to be pruned in bands of rows, one after another. It does not if the decision needs the
 * scores of the whole layer.
 */
export function allowsBands({ layers }: LayerwisePlan, name: string): boolean {
  const fate = layers.get(name);
  return fate === undefined || (fate.decision !== null && fate.bounds === null);
}

/** Returns the plan for the next band of a layer, after a band in which `ties` blocks were pruned as ties. */
export function afterBand(plan: LayerwisePlan, name: string, ties: number): LayerwisePlan {
  const fate = plan.layers.get(name);
  if (ties === 0 || !fate?.decision) return plan;
  const decision = { ...fate.decision, ties: fate.decision.ties - ties };
  return { ...plan, layers: new Map(plan.layers).set(name, { ...fate, decision }) };
}
