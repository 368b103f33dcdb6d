/**
 * Checks that run before the first step. They refuse settings on which INC fails (`get_criterion`, `get_reg`,
 * `check_progressive_validity`, `update_residual_cnt`, `ClassifierHeadSearcher`), pruners that would prune nothing, and
 * under `strict` also schedules and bounds with which the target cannot be reached.
 */
import type { PatternPrunerConfig, Profile, PrunerConfig, PruningConfig } from "../prune/config.ts";
import type { LayerRecord } from "../prune/layer.ts";
import { exactCount } from "./budget.ts";
import { accumulates, ruleOf, scoresByBlockMask } from "./criteria.ts";
import { type Layout, ofBlocks } from "./layout.ts";
import { partsOf } from "./progressive.ts";
import { Refusal } from "./refusal.ts";
import { plannedPruneSteps, pruneStepsOf, targetOf } from "./schedule.ts";
import { selectedLayers } from "./select.ts";
import { initialPruner, pruningLayout, type ReferencePruner } from "./state.ts";

/** The options with which a trajectory starts. */
export interface StartOptions {
  readonly profile: Profile;
  /** Whether to skip the classifier head: the last module, if it is a linear or conv2d layer. */
  readonly excludeHead: boolean;
  /** Whether to accept a pruner that selects no layer, or only layers that do not divide evenly into blocks. */
  readonly allowNothing: boolean;
  /** How `strict` handles selected layers that do not divide evenly into blocks: it refuses or skips them. */
  readonly indivisible: "refuse" | "skip";
}

function refuseIf(condition: boolean, code: Refusal["code"], message: string): void {
  if (condition) throw new Refusal(code, message);
}

/** Under `strict`, refuses schedules for which INC silently prunes less than the target. */
function checkStrictSchedule(config: PatternPrunerConfig): void {
  const { criterion, method, startStep } = config;
  const unscored = scoresByBlockMask(criterion) ? startStep : 0;
  const never = pruneStepsOf(config).every((step) => step === unscored);
  refuseIf(
    ruleOf(criterion).readsGradients && never,
    "unusable-schedule",
    "no prune step has scores",
  );
  const plain = method === "progressive" && !partsOf(config, "strict").interpolates;
  refuseIf(plain, "unusable-schedule", "no room for parts");
}

/** Refuses settings that contradict each other, regardless of the layers. */
function checkSettings(config: PatternPrunerConfig, profile: Profile): void {
  const { pattern, criterion, method, startStep, endStep, groupLasso } = config;
  if (scoresByBlockMask(criterion)) {
    const isChannel =
      pattern.kind === "block" && (pattern.height === "channel" || pattern.width === "channel");
    const wrong =
      method === "progressive" ||
      pattern.kind === "group" ||
      (criterion === "retrain_free" && !isChannel);
    refuseIf(wrong, "unsupported-combination", `${criterion} with ${method} or this pattern`);
  }
  if (method === "pattern_lock") {
    refuseIf(startStep !== endStep, "unusable-schedule", "a pattern is locked at one step");
    return;
  }
  if (ruleOf(criterion).readsGradients) {
    refuseIf(endStep <= 0, "unusable-schedule", "no step before the end has gradients");
  }
  if (profile === "strict") checkStrictSchedule(config);
  const isGroup = pattern.kind === "group";
  refuseIf(groupLasso !== null && isGroup, "unsupported-combination", "group lasso needs blocks");
}

/** Refuses progressive pruning if a block has, or a group loses, fewer than four elements. */
function checkParts(config: PatternPrunerConfig, layouts: readonly Layout[]): void {
  if (!partsOf(config, "inc").interpolates) return;
  const { pattern } = config;
  const small =
    pattern.kind === "group"
      ? pattern.prune < 4
      : layouts.some(({ height, width }) => height * width < 4);
  refuseIf(small, "unsupported-combination", "fewer than four elements to prune at a time");
}

/** The target ratios, as shares of blocks, of all prune steps that have scores. */
function targetsOf(config: PatternPrunerConfig): number[] {
  const { total, completed } = plannedPruneSteps(config);
  const { readsGradients, decay } = ruleOf(config.criterion);
  return pruneStepsOf(config).flatMap((step, i) =>
    step === 0 && readsGradients && decay === null
      ? []
      : [ofBlocks(config.pattern, targetOf(config, completed + i, total, 0))],
  );
}

function sizeOf({ divides, rows, columns }: Layout): number {
  return divides ? rows * columns : 0;
}

/**
 * Refuses layers that do not divide evenly into blocks if INC fails on them. For N:M patterns, INC fails in local
 * scope, or if no layer divides evenly. For block patterns, it fails if scores are accumulated, or in global scope if
 * there is a block to prune.
 */
function checkDivision(config: PatternPrunerConfig, layouts: readonly Layout[]): void {
  const { pattern, criterion, pruningScope, method } = config;
  if (method === "pattern_lock" || scoresByBlockMask(criterion)) return;
  if (layouts.every(({ divides }) => divides)) return;
  const blocks = layouts.reduce((sum, layout) => sum + sizeOf(layout), 0);
  const prunes = targetsOf(config).some((ratio) => Math.trunc(blocks * ratio) >= 1);
  const breaks =
    pattern.kind === "group"
      ? pruningScope === "local" || blocks === 0
      : accumulates(criterion) || (pruningScope === "global" && prunes);
  refuseIf(breaks, "indivisible-shape", "the pattern does not divide a layer");
}

/** Under `strict`, refuses a `maxSparsityRatioPerOp` with which the final target cannot be reached. */
function checkRoom(config: PatternPrunerConfig, layouts: readonly Layout[]): void {
  const { pattern, pruningScope, maxSparsityRatioPerOp, targetSparsity, method } = config;
  if (method === "pattern_lock") return;
  const ratio = ofBlocks(pattern, targetSparsity);
  const most = ofBlocks(pattern, maxSparsityRatioPerOp);
  const sum = (sizes: readonly number[]): number => sizes.reduce((a, b) => a + b, 0);
  const sizes = layouts.map(sizeOf);
  const budgets = pruningScope === "global" ? [sizes] : sizes.map((size) => [size]);
  for (const budget of budgets) {
    const room = sum(budget.map((size) => exactCount(size, most)));
    refuseIf(exactCount(sum(budget), ratio) > room, "infeasible-budget", "bounds without room");
  }
}

/** Checks the configuration of one pruner, and creates the pruner's initial state. */
function plannedPruner(
  asked: PrunerConfig,
  records: readonly LayerRecord[],
  { profile, excludeHead, allowNothing, indivisible }: StartOptions,
): ReferencePruner {
  const { pattern } = asked;
  if (pattern.kind === "heads") throw new Refusal("unsupported-combination", "whole heads");
  const config: PatternPrunerConfig = { ...asked, pattern };
  checkSettings(config, profile);
  const selected = selectedLayers(config, records, excludeHead, profile);
  const layouts = selected.map((layer) => pruningLayout(config, layer, profile));
  if (!allowNothing) {
    refuseIf(selected.length === 0, "no-layers", "no layer is selected");
    const none = layouts.every(({ divides }) => !divides);
    refuseIf(none, "indivisible-shape", "the pattern divides no layer");
  }
  checkParts(
    config,
    layouts.filter(({ divides }) => profile === "inc" || divides),
  );
  if (profile === "inc") checkDivision(config, layouts);
  else {
    const undivided = indivisible === "refuse" && layouts.some(({ divides }) => !divides);
    refuseIf(undivided, "indivisible-shape", "the pattern does not divide a layer");
    checkRoom(config, layouts);
  }
  const layers = selected.filter((_, i) => profile === "inc" || layouts[i]?.divides);
  return initialPruner(config, layers, profile);
}

/** Checks a configuration, and creates the initial state of all pruners. */
export function plannedPruners(
  config: PruningConfig,
  records: readonly LayerRecord[],
  options: StartOptions,
): ReferencePruner[] {
  const { profile, excludeHead } = options;
  const hasHead = records.some(({ kind }) => kind === "linear" || kind === "conv2d");
  refuseIf(profile === "inc" && excludeHead && !hasHead, "no-layers", "no head to be found");
  return config.pruners.map((pruner) => plannedPruner(pruner, records, options));
}
