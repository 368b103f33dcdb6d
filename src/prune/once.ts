/** One-shot pruning: prunes weights in one call, without a training loop. */
import {
  checkKind,
  checkNumber,
  checkOneOf,
  checkOptions,
  describe,
  isStrings,
  mismatch,
} from "../core/checks.ts";
import type {
  PatternPrunerConfig,
  Profile,
  PrunerConfig,
  PruningScope,
  ScoreReduction,
} from "./config.ts";
import { ELEMENT_CRITERION_NAMES, type ElementCriterion, needsGradient } from "./criteria.ts";
import {
  onAfterOptimizerStepInto,
  onBeforeOptimizerStepInto,
  onLayerCopies,
  onStepBeginInto,
} from "./hooks.ts";
import { preparePruning } from "./initialise.ts";
import type { LayerRecord } from "./layer.ts";
import { type Pattern, type PatternSpelling, perElement, readPattern } from "./pattern.ts";
import { PROFILE_NAMES } from "./profiles.ts";
import { expressionFault, type SkippedLayer, selection } from "./select.ts";
import { ownedLayers } from "./state.ts";
import { type SparsityStatistics, sparsityStatistics } from "./statistics.ts";

/** Options for {@link pruneOnce}. */
export interface PruneOnceOptions {
  /** The shape of the zeros, as text such as `"4x1"`, `"1xchannel"` or `"2:4"`, or as a {@link Pattern}. */
  readonly pattern: PatternSpelling | Pattern;
  /** The share of blocks (elements for N:M) to prune, in [0, 1). */
  readonly targetSparsity: number;
  /** Default `global`: all layers share one budget. */
  readonly scope?: PruningScope;
  /** How weights are scored. Default `magnitude`. The other criteria need gradients in the records. */
  readonly criterion?: ElementCriterion;
  /** Whether to reproduce INC's behaviour (`inc`) or the behaviour that INC documents (`strict`). Default `strict`. */
  readonly profile?: Profile;
  /** How the scores of a block's elements are reduced to one score. Default `mean`. */
  readonly scoreReduction?: ScoreReduction;
  /** Regular expressions, matched anywhere in a layer's name. Default: all layers. */
  readonly opNames?: readonly string[];
  readonly excludedOpNames?: readonly string[];
  /** Substrings of the PyTorch class names of the layers to prune. Default `Conv` and `Linear`. */
  readonly pruningOpTypes?: readonly string[];
  /** Whether to skip the classifier head: the last module, if it is a linear or conv2d layer. Default true. */
  readonly excludeHead?: boolean;
  /**
   * The smallest and the largest share that may be pruned in a single layer. Defaults: 0 and the maximum that the
   * pattern allows.
   */
  readonly minSparsityRatioPerOp?: number;
  readonly maxSparsityRatioPerOp?: number;
}

const ONCE_OPTIONS: readonly (keyof PruneOnceOptions)[] = [
  "pattern",
  "targetSparsity",
  "scope",
  "criterion",
  "profile",
  "scoreReduction",
  "opNames",
  "excludedOpNames",
  "pruningOpTypes",
  "excludeHead",
  "minSparsityRatioPerOp",
  "maxSparsityRatioPerOp",
];

/** The result of {@link pruneOnce}. */
export interface PruneOnceResult {
  readonly profile: Profile;
  /** The weights that changed, by layer name. */
  readonly weights: ReadonlyMap<string, Float32Array>;
  /**
   * The masks of all selected layers, by layer name: 1 for each kept and 0 for each pruned element, in the weight's
   * layout.
   */
  readonly masks: ReadonlyMap<string, Uint8Array>;
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

/** Settings for pruning at a single step, without any feature that acts during training. */
const AT_ONCE = {
  method: "basic",
  pruningFrequency: 1,
  sparsityDecay: "exp",
  lowMemoryUsage: false,
  lockInitSparsity: false,
  groupLasso: null,
} as const;

/**
 * Converts a pruner to a one-shot pruner with the same layers and target. It prunes at step 0, or at step 1 if its
 * criterion needs a gradient first.
 */
export function dueAtOnce<
  Config extends Omit<PrunerConfig, keyof typeof AT_ONCE | "criterion" | "startStep" | "endStep">,
>(config: Config, criterion: ElementCriterion): Config & PrunerConfig {
  const step = needsGradient(criterion) ? 1 : 0;
  return { ...config, ...AT_ONCE, criterion, startStep: step, endStep: step };
}

/**
 * Checks the options of {@link pruneOnce} and converts them to a one-shot pruner.
 *
 * @throws TypeError or RangeError if an option is invalid.
 */
export function oneShotConfig(options: PruneOnceOptions): PatternPrunerConfig {
  checkOptions("options", options, ONCE_OPTIONS);
  const pattern = readPattern(options.pattern);
  const { criterion = "magnitude", scope = "global", scoreReduction = "mean" } = options;
  const { opNames = [], excludedOpNames = [], pruningOpTypes = ["Conv", "Linear"] } = options;
  checkOneOf("criterion", criterion, ELEMENT_CRITERION_NAMES);
  checkOneOf("scope", scope, ["global", "local"]);
  checkOneOf("scoreReduction", scoreReduction, ["mean", "sum", "max"]);
  checkExpressions("opNames", opNames);
  checkExpressions("excludedOpNames", excludedOpNames);
  checkStrings("pruningOpTypes", pruningOpTypes);
  const { targetSparsity } = options;
  const most = perElement(pattern, 1);
  const { minSparsityRatioPerOp: min = 0, maxSparsityRatioPerOp: max = most } = options;
  checkNumber("targetSparsity", targetSparsity, 0, most);
  if (targetSparsity === 1) throw new RangeError(mismatch("targetSparsity", "less than 1", 1));
  checkNumber("maxSparsityRatioPerOp", max, 0, 1);
  checkNumber("minSparsityRatioPerOp", min, 0, max);
  const config = {
    pattern,
    targetSparsity,
    opNames,
    excludedOpNames,
    pruningOpTypes,
    pruningScope: scope,
    minSparsityRatioPerOp: min,
    maxSparsityRatioPerOp: Math.min(max, most),
    scoreReduction,
  };
  return dueAtOnce(config, criterion);
}

/**
 * Prunes layers once. Does not change their data, but returns the pruned weights.
 *
 * @param layers all records, in module order, with gradients if the criterion needs them.
 * @throws TypeError or RangeError if an option or a record is invalid, PruningError if the layers cannot be pruned with
 *   these options.
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
  checkOptions("options", options, ONCE_OPTIONS);
  const { profile = "strict", excludeHead = true } = options;
  checkOneOf("profile", profile, PROFILE_NAMES);
  return pruneAtOnce([oneShotConfig(options)], layers, profile, excludeHead);
}

/** The layers that every pruner skips, with the first pruner's reasons. */
export function skippedByAll(
  skipped: readonly (readonly SkippedLayer[])[],
): readonly SkippedLayer[] {
  const [first = [], ...others] = skipped;
  return first.filter(({ name }) => others.every((list) => list.some((one) => one.name === name)));
}

/**
 * {@link pruneOnce} with several one-shot pruners. All of them prune at the same step: at step 0, or at step 1 if
 * gradients must be read first.
 */
export function pruneAtOnce(
  pruners: readonly PatternPrunerConfig[],
  layers: readonly LayerRecord[],
  profile: Profile,
  excludeHead: boolean,
): PruneOnceResult {
  // Skip layers that do not divide evenly into blocks instead of refusing them, because the result lists skipped
  // layers.
  const options = { profile, excludeHead, indivisible: "skip" } as const;
  // Exclude only the classifier head itself, and no other layer whose name happens to contain the head's name.
  const prepared = preparePruning({ pruners }, layers, options, selection.headTest);
  const step = pruners[0].startStep;
  const pruned = onLayerCopies(prepared.state, layers, (copies, scratch) => {
    let { state } = prepared;
    if (step > 0) {
      state = onStepBeginInto(state, 0, copies, scratch);
      state = onBeforeOptimizerStepInto(state, copies, scratch);
      state = onAfterOptimizerStepInto(state, copies, scratch);
    }
    return onStepBeginInto(state, step, copies, scratch);
  });
  const { weights } = pruned;
  const after = layers.map((layer) => ({ ...layer, data: weights.get(layer.name) ?? layer.data }));
  const masks = new Map<string, Uint8Array>();
  // If several pruners prune a layer, an element is kept only if all of them keep it.
  for (const { name, mask } of ownedLayers(pruned.state))
    masks.set(name, masks.get(name)?.map((bit, i) => bit & mask[i]) ?? mask);
  return {
    profile,
    weights,
    masks,
    skipped: skippedByAll(prepared.skipped),
    statistics: sparsityStatistics(pruned.state, after),
  };
}
