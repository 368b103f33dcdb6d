/**
 * The state before the first step: layers selected, patterns laid out, and everything refused that
 * cannot be carried out on these layers.
 */

import { hasBlockMask, scoresBlockMasks } from "./block-mask.ts";
import type {
  BlockCriterion,
  PatternPrunerConfig,
  Profile,
  PrunerConfig,
  PruningConfig,
} from "./config.ts";
import { exactCount } from "./exact.ts";
import { checkLayers, elementCount, type LayerRecord, PruningError } from "./layer.ts";
import { lockMaskInto } from "./lock.ts";
import { type BlockLayout, blockCount, formatPattern, layOut, perBlock } from "./pattern.ts";
import { PROGRESSIVE_STEPS, planProgressive } from "./progressive.ts";
import { planPruneSteps, pruneSteps, targetRatio } from "./schedule.ts";
import { needsGradient } from "./score.ts";
import { selectLayers } from "./select.ts";
import type { PrunedLayer, PrunerState, PruningState } from "./state.ts";

/** Options of {@link initialisePruning}. */
export interface InitialiseOptions {
  /** Default `inc`. */
  readonly profile?: Profile;
  /** Accept pruners that select no layer or whose pattern divides none. Default false. */
  readonly allowNothing?: boolean;
  /** Leave the last linear or conv2d layer alone when no module follows it. Default true. */
  readonly excludeHead?: boolean;
  /**
   * What `strict` does with selected layers that the pattern does not divide, of which INC warns. Default
   * `refuse`. `inc` does what INC does.
   */
  readonly indivisible?: "refuse" | "skip";
}

/** How the pruner's pattern lies on a layer: layers without a block mask count as not divided. */
function initialLayout(
  { pattern, criterion }: PatternPrunerConfig,
  layer: LayerRecord,
  profile: Profile,
): BlockLayout {
  const layout = layOut(pattern, layer);
  const masked = !scoresBlockMasks(criterion) || hasBlockMask(layer, layout, profile === "strict");
  return { ...layout, divides: layout.divides && masked };
}

/** Whether group lasso shrinks a layer: where the pattern divides it, block masks or not, if its weights change. */
function shrinks(
  { groupLasso, method, pattern }: PatternPrunerConfig,
  layer: LayerRecord,
): boolean {
  if (groupLasso === null || method === "pattern_lock" || method === "retrain_free") return false;
  return layOut(pattern, layer).divides;
}

/**
 * A layer before the first step: all kept, but for block masks under `inc`, which are read off the weight's
 * zeros. Criteria with a memory start from zero scores.
 */
function initialLayer(
  config: PatternPrunerConfig,
  layer: LayerRecord,
  interpolating: boolean,
  profile: Profile,
): PrunedLayer {
  const layout = initialLayout(config, layer, profile);
  const hasMemory = scoresBlockMasks(config.criterion);
  const elements = elementCount(layer.shape);
  const ones = (): Uint8Array => new Uint8Array(elements).fill(1);
  const perElement = config.pattern.kind === "group" || !layout.divides;
  const startsAtZero = hasMemory
    ? layout.divides
    : config.criterion === "snip_momentum" && config.method !== "pattern_lock";
  const mask = ones();
  if (hasMemory && profile === "inc") lockMaskInto(config.pattern, layout, layer.data, false, mask);
  return {
    name: layer.name,
    shape: [...layer.shape],
    layout,
    mask,
    scores: startsAtZero ? new Float32Array(perElement ? elements : blockCount(layout)) : null,
    frozen: false,
    lassoTerms: shrinks(config, layer)
      ? new Float32Array(layout.blockRows * layout.blockColumns)
      : null,
    collected: [],
    previousMask: interpolating ? ones() : null,
    progressiveMask: interpolating ? ones() : null,
  };
}

/** Refuses a pattern that cannot be laid on layers. */
function patternPruner(config: PrunerConfig): PatternPrunerConfig {
  const { pattern } = config;
  if (pattern.kind !== "heads") return { ...config, pattern };
  throw new PruningError(
    "unsupported-combination",
    `pattern: expected blocks, channels or N:M, got "${formatPattern(pattern)}"; whole attention heads are not pruned`,
  );
}

/** Refuses what has no block masks to score by. */
function checkBlockMasks(
  { method, pattern }: PatternPrunerConfig,
  criterion: BlockCriterion,
): void {
  const refuse = (expected: string, got: string): never => {
    throw new PruningError(
      "unsupported-combination",
      `${criterion}: expected ${expected}, got ${got}`,
    );
  };
  if (method === "progressive") refuse("masks that change at prune steps only", "progressive ones");
  const spelling = formatPattern(pattern);
  if (pattern.kind === "group") refuse("a block pattern", spelling);
  if (criterion === "retrain_free" && !spelling.includes("channel"))
    refuse("a pattern of whole channels", spelling);
}

/** Refuses, under `strict`, schedules with which INC silently does less than it is asked. */
function checkStrictSchedule(config: PatternPrunerConfig): void {
  const { criterion, method, startStep, endStep, pruningFrequency } = config;
  // Block masks have gradients from the start step on only.
  const unscored = scoresBlockMasks(criterion) ? startStep : 0;
  if (needsGradient(criterion) && pruneSteps(config).join() === `${unscored}`)
    throw new PruningError(
      "unusable-schedule",
      `start_step: expected a prune step after step ${unscored} for the ${criterion} criterion, which has seen no gradient by then, got none up to end_step ${endStep}`,
    );
  if (method === "progressive" && !planProgressive(config).interpolating)
    throw new PruningError(
      "unusable-schedule",
      `progressive pruning: expected more than ${PROGRESSIVE_STEPS} steps from start_step to end_step and a pruning_frequency above 1, got ${endStep - startStep} and ${pruningFrequency}`,
    );
}

/** Refuses settings that contradict each other whatever the layers are. */
function checkSettings(config: PatternPrunerConfig, profile: Profile): void {
  const { pattern, criterion, method } = config;
  if (scoresBlockMasks(criterion)) checkBlockMasks(config, criterion);
  if (method === "pattern_lock") {
    if (config.startStep !== config.endStep)
      throw new PruningError(
        "unusable-schedule",
        `pattern_lock: expected end_step equal to start_step (${config.startStep}), got ${config.endStep}`,
      );
    return;
  }
  if (needsGradient(criterion) && config.endStep <= 0)
    throw new PruningError(
      "unusable-schedule",
      `end_step: expected more than 0 for the ${criterion} criterion, which needs gradients first, got ${config.endStep}`,
    );
  if (profile === "strict") checkStrictSchedule(config);
  if (config.groupLasso !== null && pattern.kind === "group")
    throw new PruningError(
      "unsupported-combination",
      `group lasso: expected a block pattern, got ${formatPattern(pattern)}`,
    );
}

/** Refuses blocks too small to be pruned in four parts. */
function checkProgressive(config: PatternPrunerConfig, layers: readonly PrunedLayer[]): void {
  if (!planProgressive(config).interpolating) return;
  const { pattern, pruningFrequency } = config;
  // INC checks before it lowers the number of parts for frequent prune steps.
  const refuse = (size: number, layer?: string): never => {
    throw new PruningError(
      "unsupported-combination",
      `progressive pruning every ${pruningFrequency} steps: expected at least ${PROGRESSIVE_STEPS} elements to prune at a time, got ${size} with ${formatPattern(pattern)}`,
      layer,
    );
  };
  if (pattern.kind === "group") {
    if (pattern.prune < PROGRESSIVE_STEPS) refuse(pattern.prune);
    return;
  }
  for (const { name, layout } of layers) {
    const size = layout.blockHeight * layout.blockWidth;
    if (size < PROGRESSIVE_STEPS) refuse(size, name);
  }
}

/** Whether any prune step that has scores to go by asks for at least one block. */
function prunesAnything(config: PatternPrunerConfig, blocks: number): boolean {
  const { total, completed } = planPruneSteps(config);
  return pruneSteps(config).some((step, i) => {
    if (step === 0 && needsGradient(config.criterion)) return false;
    const ratio = perBlock(config.pattern, targetRatio(config, completed + i, total));
    return Math.trunc(blocks * ratio) >= 1;
  });
}

/** Refuses layers that the pattern does not divide: all of them, or under `inc` those on which INC breaks. */
function checkDivisibility(
  config: PatternPrunerConfig,
  layers: readonly PrunedLayer[],
  { profile, indivisible: handling }: Required<InitialiseOptions>,
): void {
  const indivisible = layers.find(({ layout }) => !layout.divides);
  if (!indivisible) return;
  if (profile === "strict" ? handling === "skip" : !breaksOnIndivisible(config, layers)) return;
  throw new PruningError(
    "indivisible-shape",
    `${indivisible.name}: expected a shape that ${formatPattern(config.pattern)} divides, got [${indivisible.shape.join(", ")}]; exclude the layer by excluded_op_names`,
    indivisible.name,
  );
}

/** Whether INC raises an error on layers that the pattern does not divide. */
function breaksOnIndivisible(config: PatternPrunerConfig, layers: readonly PrunedLayer[]): boolean {
  if (config.method === "pattern_lock" || scoresBlockMasks(config.criterion)) return false;
  const { pattern, pruningScope, criterion } = config;
  const blocks = layers.reduce((sum, { layout }) => sum + blockCount(layout), 0);
  return pattern.kind === "group"
    ? pruningScope === "local" || blocks === 0
    : criterion === "snip_momentum" ||
        (pruningScope === "global" && prunesAnything(config, blocks));
}

/**
 * Refuses, under `strict`, per-op bounds that leave too little room for the final target. INC lowers an
 * iterative target to the bound.
 */
function checkRoom(config: PatternPrunerConfig, layers: readonly PrunedLayer[]): void {
  const { pattern, pruningScope, maxSparsityRatioPerOp, targetSparsity } = config;
  if (config.method === "pattern_lock") return;
  const ratio = perBlock(pattern, targetSparsity);
  const sizes = layers.map(({ layout }) => blockCount(layout));
  const budgets = pruningScope === "global" ? [sizes] : sizes.map((size) => [size]);
  for (const blocks of budgets) {
    const wanted = exactCount(
      blocks.reduce((sum, count) => sum + count, 0),
      ratio,
    );
    const room = blocks.reduce(
      (sum, count) => sum + exactCount(count, perBlock(pattern, maxSparsityRatioPerOp)),
      0,
    );
    if (wanted > room)
      throw new PruningError(
        "infeasible-budget",
        `max_sparsity_ratio_per_op: expected room for ${wanted} blocks, got ${room} with ${maxSparsityRatioPerOp}`,
      );
  }
}

/** Refuses pruners that would prune nothing. */
function checkSomething(config: PatternPrunerConfig, layers: readonly PrunedLayer[]): void {
  if (layers.length === 0)
    throw new PruningError(
      "no-layers",
      `op_names: expected to match a layer of type ${config.pruningOpTypes.join(" or ")} besides the classifier head, got none`,
    );
  if (layers.some(({ layout }) => layout.divides)) return;
  throw new PruningError(
    "indivisible-shape",
    `pattern: expected one that divides a selected layer, got ${formatPattern(config.pattern)}, which divides none of ${layers.length}`,
    layers[0]?.name,
  );
}

function initialPruner(
  asked: PrunerConfig,
  records: readonly LayerRecord[],
  options: Required<InitialiseOptions>,
): PrunerState {
  const { profile, allowNothing, excludeHead } = options;
  const config = patternPruner(asked);
  checkSettings(config, profile);
  const { interpolating } = planProgressive(config);
  const selected = selectLayers(config, records, excludeHead, profile).selected.map((layer) =>
    initialLayer(config, layer, interpolating, profile),
  );
  if (!allowNothing) checkSomething(config, selected);
  const layers = profile === "inc" ? selected : selected.filter(({ layout }) => layout.divides);
  checkProgressive(config, layers);
  checkDivisibility(config, selected, options);
  if (profile === "strict") checkRoom(config, layers);
  const { total, completed } = planPruneSteps(config);
  return {
    config,
    layers,
    step: 0,
    handledStep: -1,
    completedPruneSteps: completed,
    totalPruneSteps: total,
    initialSparsity: 0,
    currentSparsity: 0,
    interpolating,
    lastPruneStep: 0,
    aligned: false,
    lastEvent: null,
  };
}

/**
 * The state before the first step.
 *
 * @param config from `parsePruningConfig`.
 * @param layers all modules of the model, in module order.
 * @throws PruningError where a pruner cannot be carried out on these layers; TypeError and RangeError for
 * malformed records.
 *
 * @example
 * ```ts
 * import { initialisePruning, parsePruningConfigOrThrow } from "espalier";
 *
 * const layers = [
 *   { name: "hidden", kind: "linear", shape: [8, 4], data: new Float32Array(32).fill(1) },
 *   { name: "head", kind: "linear", shape: [2, 8], data: new Float32Array(16) },
 * ] as const;
 * const config = parsePruningConfigOrThrow({
 *   pattern: "4x1",
 *   pruning_type: "magnitude",
 *   target_sparsity: 0.5,
 *   end_step: 10,
 * });
 * const state = initialisePruning(config, layers);
 * if (state.pruners[0]?.layers.map(({ name }) => name).join() !== "hidden") throw new Error();
 * ```
 */
export function initialisePruning(
  config: PruningConfig,
  layers: readonly LayerRecord[],
  options: InitialiseOptions = {},
): PruningState {
  checkLayers("layers", layers);
  const { profile = "inc", allowNothing = false, excludeHead = true } = options;
  const { indivisible = "refuse" } = options;
  if (
    profile === "inc" &&
    excludeHead &&
    !layers.some(({ kind }) => kind === "linear" || kind === "conv2d")
  )
    throw new PruningError(
      "no-layers",
      "layers: expected at least one linear or conv2d layer to find the classifier head by, got none",
    );
  const pruners = config.pruners.map((pruner) =>
    initialPruner(pruner, layers, { profile, allowNothing, excludeHead, indivisible }),
  );
  return { version: 1, profile, pruners };
}
