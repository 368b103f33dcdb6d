/**
 * One-shot pruning: scores, budget and masks at once, without a training loop.
 */
import {
  checkKind,
  checkNumber,
  checkOneOf,
  describe,
  isStrings,
  mismatch,
} from "../core/checks.ts";
import type { PatternPrunerConfig, Profile, PruningScope, ScoreReduction } from "./config.ts";
import { ELEMENT_CRITERION_NAMES, type ElementCriterion, needsGradient } from "./criteria.ts";
import { onAfterOptimizerStep, onBeforeOptimizerStep, onStepBegin } from "./hooks.ts";
import { initialisePruning } from "./initialise.ts";
import type { LayerRecord } from "./layer.ts";
import { indivisibleReason, type Pattern, readPattern } from "./pattern.ts";
import { expressionFault, type SkippedLayer, selectLayers } from "./select.ts";
import { ownedLayers, type PruningState } from "./state.ts";
import { type SparsityStatistics, sparsityStatistics } from "./statistics.ts";

/** Options of {@link pruneOnce}. */
export interface PruneOnceOptions {
  /** `"4x1"`, `"1xchannel"`, `"2:4"`, or a {@link Pattern}. */
  readonly pattern: string | Pattern;
  /** Share of blocks (elements for N:M) to prune, in [0, 1). */
  readonly targetSparsity: number;
  /** Default `global`: all layers share one budget. */
  readonly scope?: PruningScope;
  /** Default `magnitude`. The others need gradients in the records. */
  readonly criterion?: ElementCriterion;
  /** Default `strict`. */
  readonly profile?: Profile;
  /** Default `mean`. */
  readonly scoreReduction?: ScoreReduction;
  /** Regular expressions searched in layer names. Default: all. */
  readonly opNames?: readonly string[];
  readonly excludedOpNames?: readonly string[];
  /** Parts of PyTorch class names. Default `Conv`, `Linear`. */
  readonly pruningOpTypes?: readonly string[];
  /** Leave the last linear layer alone when nothing follows it. Default true. */
  readonly excludeHead?: boolean;
  /** Bounds on a single layer's share. Default 0 and the most the pattern allows. */
  readonly minSparsityRatioPerOp?: number;
  readonly maxSparsityRatioPerOp?: number;
}

/** What {@link pruneOnce} made. */
export interface PruneOnceResult {
  /** The profile that made it. */
  readonly profile: Profile;
  /** Weights that changed, by layer name; others stay as they were. */
  readonly weights: ReadonlyMap<string, Float32Array>;
  /** Masks of all selected layers, 1 = kept, in the weight's layout. */
  readonly masks: ReadonlyMap<string, Uint8Array>;
  /** Layers left alone, and why. */
  readonly skipped: readonly SkippedLayer[];
  readonly statistics: SparsityStatistics;
}

function checkStrings(name: string, strings: readonly string[]): void {
  checkKind(isStrings(strings), name, "an array of strings", strings);
}

function checkExpressions(name: string, sources: readonly string[]): void {
  checkStrings(name, sources);
  sources.forEach((source, i) => {
    const fault = expressionFault(source);
    if (fault !== undefined)
      throw new RangeError(
        mismatch(`${name}[${i}]`, "a regular expression", `${describe(source)} (${fault})`),
      );
  });
}

/**
 * The options as a pruner that is due at once, or after one look at the gradients.
 *
 * @throws TypeError and RangeError for malformed options
 */
export function oneShotConfig(options: PruneOnceOptions): PatternPrunerConfig {
  const pattern = readPattern(options.pattern);
  const { criterion = "magnitude", scope = "global", scoreReduction = "mean" } = options;
  const { opNames = [], excludedOpNames = [], pruningOpTypes = ["Conv", "Linear"] } = options;
  checkOneOf("criterion", criterion, ELEMENT_CRITERION_NAMES);
  checkOneOf("scope", scope, ["global", "local"]);
  checkOneOf("scoreReduction", scoreReduction, ["mean", "sum", "max"]);
  checkExpressions("opNames", opNames);
  checkExpressions("excludedOpNames", excludedOpNames);
  checkStrings("pruningOpTypes", pruningOpTypes);
  const most = pattern.kind === "group" ? pattern.prune / pattern.of : 1;
  const { minSparsityRatioPerOp: min = 0, maxSparsityRatioPerOp: max = most } = options;
  checkNumber("targetSparsity", options.targetSparsity, 0, most);
  if (options.targetSparsity === 1)
    throw new RangeError(mismatch("targetSparsity", "less than 1", 1));
  checkNumber("maxSparsityRatioPerOp", max, 0, 1);
  checkNumber("minSparsityRatioPerOp", min, 0, max);
  const step = needsGradient(criterion) ? 1 : 0;
  return {
    method: "basic",
    criterion,
    pattern,
    targetSparsity: options.targetSparsity,
    opNames,
    excludedOpNames,
    pruningOpTypes,
    startStep: step,
    endStep: step,
    pruningFrequency: 1,
    pruningScope: scope,
    sparsityDecay: "exp",
    minSparsityRatioPerOp: min,
    maxSparsityRatioPerOp: Math.min(max, most),
    scoreReduction,
    lowMemoryUsage: false,
    lockInitSparsity: false,
    groupLasso: null,
  };
}

/** Layers that are not selected, or that the pattern does not divide. */
export function skippedLayers(
  config: PatternPrunerConfig,
  state: PruningState,
  layers: readonly LayerRecord[],
  excludeHead: boolean,
): PruneOnceResult["skipped"] {
  const { selected, skipped } = selectLayers(config, layers, excludeHead, state.profile);
  const divided = ownedLayers(state).filter(({ layout }) => layout.divides);
  const names = new Set(divided.map(({ name }) => name));
  const indivisible = selected
    .filter(({ name }) => !names.has(name))
    .map(({ name, shape }) => ({
      name,
      reason: indivisibleReason(config.pattern, shape),
    }));
  return [...skipped, ...indivisible];
}

/**
 * Prunes once. The layers are not changed; the pruned weights are returned.
 *
 * @param layers all records, in module order; with gradients where the criterion needs them.
 * @throws TypeError and RangeError for malformed options or records; PruningError where nothing can be
 * pruned as asked.
 *
 * @example
 * ```ts
 * import { pruneOnce } from "espalier";
 *
 * const data = Float32Array.from({ length: 16 }, (_, i) => i + 1);
 * const { weights, statistics } = pruneOnce(
 *   [{ name: "fc", kind: "linear", shape: [4, 4], data }],
 *   { pattern: "2:4", targetSparsity: 0.5, excludeHead: false },
 * );
 * if (statistics.prunedLayers.ratio !== 0.5) throw new Error();
 * if (weights.get("fc")?.slice(0, 4).join() !== "0,0,3,4") throw new Error();
 * ```
 */
export function pruneOnce(
  layers: readonly LayerRecord[],
  options: PruneOnceOptions,
): PruneOnceResult {
  const { profile = "strict", excludeHead = true } = options;
  checkOneOf("profile", profile, ["inc", "strict"]);
  const config = oneShotConfig(options);
  const { state, weights } = carryOut([config], layers, profile, excludeHead);
  const after = layers.map((layer) => ({ ...layer, data: weights.get(layer.name) ?? layer.data }));
  return {
    profile,
    weights,
    masks: new Map(ownedLayers(state).map(({ name, mask }) => [name, mask])),
    skipped: skippedLayers(config, state, layers, excludeHead),
    statistics: sparsityStatistics(state, after),
  };
}

/**
 * The state after pruning once and the weights that changed. All pruners are due at the same step: 0, or 1 after one
 * look at the gradients.
 */
export function carryOut(
  pruners: readonly PatternPrunerConfig[],
  layers: readonly LayerRecord[],
  profile: Profile,
  excludeHead: boolean,
): Pick<PruneOnceResult, "weights"> & { readonly state: PruningState } {
  const step = pruners[0].startStep;
  let state = initialisePruning({ pruners }, layers, {
    profile,
    excludeHead,
    indivisible: "skip", // the result names them
  });
  if (step > 0) {
    state = onStepBegin(state, 0, layers).state;
    state = onBeforeOptimizerStep(state, layers).state;
    state = onAfterOptimizerStep(state, layers).state;
  }
  return onStepBegin(state, step, layers);
}
