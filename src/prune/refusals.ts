/**
 * Checks that run before the first step. They refuse settings that contradict each other, settings on which INC fails,
 * pruners that would prune nothing, and under `strict` also schedules and bounds with which the target cannot be
 * reached.
 */
import { sumOf } from "../core/sum.ts";
import { grouped, type PatternPrunerConfig, type PrunerConfig } from "./config.ts";
import {
  accumulatesElements,
  needsGradient,
  rearrangesMasks,
  scoresBlockMasks,
} from "./criteria.ts";
import { exactCount } from "./exact.ts";
import { formatShape, refuseCombination, refusePruning } from "./layer.ts";
import { blockCount, formatPattern, type LaidOutLayer, perBlock } from "./pattern.ts";
import { PROGRESSIVE_STEPS, planProgressive } from "./progressive.ts";
import { planPruneSteps, pruneSteps, targetRatio } from "./schedule.ts";

/** Refuses the pattern of whole attention heads. */
export function patternPruner(config: PrunerConfig): PatternPrunerConfig {
  const { pattern } = config;
  if (pattern.kind !== "heads") return { ...config, pattern };
  return refuseCombination(
    "pattern",
    "blocks, channels or N:M",
    `"${formatPattern(pattern)}", without attention layers`,
  );
}

/** Refuses settings that do not work with block masks. */
function checkBlockMasks({ method, pattern, criterion }: PatternPrunerConfig): void {
  const spelling = formatPattern(pattern);
  if (method === "progressive")
    refuseCombination(criterion, "masks that change at prune steps only", "progressive ones");
  if (pattern.kind === "group") refuseCombination(criterion, "a block pattern", spelling);
  if (rearrangesMasks(criterion) && !spelling.includes("channel"))
    refuseCombination(criterion, "a pattern of whole channels", spelling);
}

function refuseSchedule(path: string, expected: string, got: string | number): never {
  refusePruning("unusable-schedule", path, expected, got);
}

/** Refuses a schedule that ends before the first gradient, for a criterion that needs gradients. */
export function checkEndStep({ criterion, endStep }: PrunerConfig): void {
  if (needsGradient(criterion) && endStep <= 0)
    refuseSchedule("end_step", `more than 0, since ${criterion} needs gradients`, endStep);
}

/** Under `strict`, refuses schedules for which INC silently prunes less than the target. */
export function checkSchedule(config: PrunerConfig): void {
  const { criterion, method, startStep, endStep, pruningFrequency } = config;
  // Block masks have no gradients before the start step.
  const unscored = scoresBlockMasks(criterion) ? startStep : 0;
  const isOnly = startStep === unscored && endStep - startStep < pruningFrequency;
  if (needsGradient(criterion) && isOnly)
    refuseSchedule(
      "start_step",
      `a prune step after step ${unscored} for the ${criterion} criterion, which has seen no gradient by then`,
      `none up to end_step ${endStep}`,
    );
  if (method === "progressive" && !planProgressive(config).interpolating)
    refuseSchedule(
      "progressive pruning",
      `more than ${PROGRESSIVE_STEPS} steps from start_step to end_step and a pruning_frequency above 1`,
      `${endStep - startStep} and ${pruningFrequency}`,
    );
}

/**
 * Refuses settings that contradict each other, regardless of the layers.
 *
 * @param checkMore the profile's additional check of the schedule.
 */
export function checkSettings(
  config: PatternPrunerConfig,
  checkMore: (config: PatternPrunerConfig) => void,
): void {
  const { pattern, criterion, method } = config;
  if (scoresBlockMasks(criterion)) checkBlockMasks(config);
  if (method === "pattern_lock") {
    if (config.startStep !== config.endStep)
      refuseSchedule(
        "pattern_lock",
        `end_step equal to start_step (${config.startStep})`,
        config.endStep,
      );
    return;
  }
  checkEndStep(config);
  checkMore(config);
  if (config.groupLasso !== null && pattern.kind === "group")
    refuseCombination("group lasso", "a block pattern", formatPattern(pattern));
}

/** Refuses progressive pruning with blocks that have too few elements to be pruned in four parts. */
export function checkProgressive(
  config: PatternPrunerConfig,
  layers: readonly LaidOutLayer[],
): void {
  if (!planProgressive(config).interpolating) return;
  const { pattern, pruningFrequency } = config;
  // Compares with PROGRESSIVE_STEPS even if frequent prune steps leave fewer parts: INC checks the size first.
  const refuse = (size: number, layer?: string): never => {
    refuseCombination(
      `progressive pruning every ${pruningFrequency} steps`,
      `at least ${PROGRESSIVE_STEPS} elements to prune at a time`,
      `${size} with ${formatPattern(pattern)}`,
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

/** Whether any prune step that has scores prunes at least one block. */
function prunesAnything(config: PatternPrunerConfig, blocks: number): boolean {
  const { total, completed } = planPruneSteps(config);
  return pruneSteps(config).some((step, i) => {
    if (step === 0 && needsGradient(config.criterion)) return false;
    const ratio = perBlock(config.pattern, targetRatio(config, completed + i, total));
    return Math.trunc(blocks * ratio) >= 1;
  });
}

export function refuseIndivisible(
  { pattern }: PatternPrunerConfig,
  { name, shape }: LaidOutLayer,
): never {
  refusePruning(
    "indivisible-shape",
    name,
    `a shape that ${formatPattern(pattern)} divides`,
    `${formatShape(shape)}; exclude the layer by excluded_op_names`,
    name,
  );
}

/** Whether INC fails on this configuration if some layers do not divide evenly into blocks. */
export function incBreaksOnIndivisible(
  config: PatternPrunerConfig,
  layers: readonly LaidOutLayer[],
): boolean {
  if (config.method === "pattern_lock" || scoresBlockMasks(config.criterion)) return false;
  const { pattern, pruningScope, criterion } = config;
  const blocks = sumOf(layers, ({ layout }) => blockCount(layout));
  return pattern.kind === "group"
    ? pruningScope === "local" || blocks === 0
    : accumulatesElements(criterion) ||
        (pruningScope === "global" && prunesAnything(config, blocks));
}

/**
 * Under `strict`, refuses a `maxSparsityRatioPerOp` with which the final target cannot be reached. INC instead lowers
 * the target, unless the schedule is one-shot.
 */
export function checkRoom(config: PatternPrunerConfig, layers: readonly LaidOutLayer[]): void {
  const { pattern, pruningScope, maxSparsityRatioPerOp, targetSparsity } = config;
  if (config.method === "pattern_lock") return;
  const sizes = layers.map(({ layout }) => blockCount(layout));
  for (const blocks of grouped(pruningScope === "global", sizes)) {
    const all = sumOf(blocks, (count) => count);
    const wanted = exactCount(all, perBlock(pattern, targetSparsity));
    const most = perBlock(pattern, maxSparsityRatioPerOp);
    const room = sumOf(blocks, (count) => exactCount(count, most));
    if (wanted > room)
      refusePruning(
        "infeasible-budget",
        "max_sparsity_ratio_per_op",
        `room for ${wanted} blocks`,
        `${room} with ${maxSparsityRatioPerOp}`,
      );
  }
}

/** Refuses a pruner that would prune nothing. */
export function checkSomething(config: PatternPrunerConfig, layers: readonly LaidOutLayer[]): void {
  if (layers.length === 0)
    refusePruning(
      "no-layers",
      "op_names",
      `to match a layer of type ${config.pruningOpTypes.join(" or ")} besides the classifier head`,
      "none",
    );
  if (layers.some(({ layout }) => layout.divides)) return;
  refusePruning(
    "indivisible-shape",
    "pattern",
    "one that divides a selected layer",
    `${formatPattern(config.pattern)}, which divides none of ${layers.length}`,
    layers[0]?.name,
  );
}
