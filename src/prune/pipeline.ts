/**
 * Connects the stages of pruning. Each stage has its own file. Before the first step, layers are selected and divided
 * into blocks. A prune step scores elements, reduces their scores to block scores, gets the target ratio from the
 * schedule, divides the budget among the layers, finds thresholds, writes masks and applies them.
 */
import { type AdmissionOptions, admitLayers } from "./admit.ts";
import { applyMasksInto } from "./apply.ts";
import type { PatternPrunerConfig, PrunerConfig } from "./config.ts";
import { type BlockCount, countPruner } from "./count.ts";
import {
  accumulatesElements,
  needsGradient,
  rearrangesMasks,
  scoresBlockMasks,
} from "./criteria.ts";
import { elementCount, type LayerRecord } from "./layer.ts";
import { budgetGroups, checkFrozenLasso, writeMaskInto } from "./mask-plan.ts";
import { blockCount, type LaidOutLayer, layOut, perElement } from "./pattern.ts";
import type { ProfileRules } from "./profiles.ts";
import { planProgressive } from "./progressive.ts";
import { flagPrunedBlocks, rearrangeMasksInto } from "./rearrange.ts";
import { isPruneStep, planPruneSteps } from "./schedule.ts";
import { updateScoresInto } from "./score.ts";
import type { PrunerScratch } from "./scratch.ts";
import type { SkippedLayer } from "./select.ts";
import type { LiveLayer, LivePruner } from "./state.ts";

/**
 * The arguments of a hook for one pruner: the rules of its profile, its state, and its working memory with the layer
 * records.
 */
export interface Turn {
  readonly rules: ProfileRules;
  readonly pruner: LivePruner;
  readonly scratch: PrunerScratch;
}

/** Creates the initial state of a pruner, and lists the layers that it skips. */
export function preparePruner(
  asked: PrunerConfig,
  records: readonly LayerRecord[],
  rules: ProfileRules,
  options: AdmissionOptions,
): { readonly pruner: LivePruner; readonly skipped: readonly SkippedLayer[] } {
  const { config, layers, skipped } = admitLayers(asked, records, rules, options);
  const { interpolating } = planProgressive(config);
  const { total, completed } = planPruneSteps(config);
  const pruner = {
    config,
    layers: layers.map((layer) => initialLayer(config, layer, interpolating, rules)),
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
  return { pruner, skipped };
}

/**
 * Runs a prune step up to the new masks, without applying them to the weights. Returns the numbers of pruned blocks and
 * of all blocks, or `undefined` if there were no scores.
 *
 * @param initial the sparsity at the start of the schedule.
 */
export function updateMasksInto(
  { rules, pruner, scratch }: Turn,
  initial: number,
): BlockCount | undefined {
  const { config, layers, completedPruneSteps, totalPruneSteps } = pruner;
  // Score and reduce. Scores from gradients are already up to date.
  if (!needsGradient(config.criterion)) updateScoresInto(pruner, scratch);
  const scored = layers.some(({ scores }) => scores !== null);
  // Get the target ratio from the schedule.
  const targetRatio = rules.targetRatio(config, completedPruneSteps, totalPruneSteps, initial);
  if (scored) {
    // Divide the budget and find thresholds, for all layers together or for each layer separately.
    const rearranges = rearrangesMasks(config.criterion);
    const settled = rearranges && rules.settlesBlocks ? flagPrunedBlocks(pruner) : null;
    const plans = budgetGroups(pruner).flatMap((group) =>
      rules.planMasks(pruner, group, targetRatio, scratch),
    );
    checkFrozenLasso(pruner, plans);
    // Write the masks.
    for (const { previousMask, mask } of layers) previousMask?.set(mask);
    for (const plan of plans) writeMaskInto(pruner, plan, scratch);
    if (rearranges) rearrangeMasksInto(pruner, settled, rules.checkRearranging);
  }
  pruner.completedPruneSteps++;
  const count = countPruner(pruner, rules.keptLimit(config.pattern));
  pruner.lastEvent = {
    step: pruner.step,
    targetRatio,
    scored,
    prunedBlocks: count.pruned,
    totalBlocks: count.total,
  };
  return scored ? count : undefined;
}

/** The share of pruned blocks, converted to a share of elements for N:M. */
export function sparsityOf(
  { pattern }: PatternPrunerConfig,
  { pruned, total }: BlockCount,
): number {
  return total === 0 ? 0 : perElement(pattern, pruned / total);
}

/** If the current step is a prune step, computes new masks and applies them, without interpolation. */
export function pruneStepInto(turn: Turn): void {
  const { pruner, scratch } = turn;
  const { config } = pruner;
  if (!isPruneStep(config, pruner.step) || pruner.currentSparsity > config.targetSparsity) return;
  const count = updateMasksInto(turn, pruner.initialSparsity);
  if (count === undefined) return;
  // Apply the masks. Rearranged masks are not applied until the end step.
  if (!rearrangesMasks(config.criterion)) applyMasksInto(pruner, scratch, true);
  pruner.currentSparsity = sparsityOf(config, count);
}

/**
 * Creates the initial state of a layer. Accumulated scores are zero. Nothing is pruned, unless the profile initialises
 * block masks from the zeros in the weights.
 */
function initialLayer(
  config: PatternPrunerConfig,
  layer: LaidOutLayer<LayerRecord>,
  interpolating: boolean,
  rules: ProfileRules,
): LiveLayer {
  const { pattern, criterion, method, groupLasso } = config;
  const { name, shape, layout, data } = layer;
  const byBlockMask = scoresBlockMasks(criterion);
  const trains = method !== "pattern_lock" && !rearrangesMasks(criterion);
  // Group lasso needs no block masks, only a layer that divides evenly into blocks.
  const shrinks = groupLasso !== null && trains && layOut(pattern, layer).divides;
  const elements = elementCount(shape);
  const ones = (): Uint8Array => new Uint8Array(elements).fill(1);
  const perElement = pattern.kind === "group" || !layout.divides;
  const startsAtZero = byBlockMask
    ? layout.divides
    : accumulatesElements(criterion) && method !== "pattern_lock";
  const mask = ones();
  if (byBlockMask && rules.readsBlockMasks) rules.lockMaskInto(pattern, layout, data, mask);
  return {
    name,
    shape: [...shape],
    layout,
    mask,
    scores: startsAtZero ? new Float32Array(perElement ? elements : blockCount(layout)) : null,
    frozen: false,
    lassoTerms: shrinks ? new Float32Array(layout.blockRows * layout.blockColumns) : null,
    collected: [],
    previousMask: interpolating ? ones() : null,
    progressiveMask: interpolating ? ones() : null,
  };
}
