/** The schedule: prune steps and their target ratios (INC: `schedulers.py`, `check_is_pruned_step`). */
import { cos, pow } from "../core/real.ts";
import type { PrunerConfig, SparsityDecay } from "./config.ts";

/** The settings on which a schedule depends. */
export type ScheduleConfig = Pick<
  PrunerConfig,
  | "targetSparsity"
  | "startStep"
  | "endStep"
  | "pruningFrequency"
  | "sparsityDecay"
  | "maxSparsityRatioPerOp"
>;

export function isPruneStep(config: ScheduleConfig, step: number): boolean {
  return (
    step >= config.startStep &&
    step <= config.endStep &&
    (step - config.startStep) % config.pruningFrequency === 0
  );
}

export function pruneSteps(config: ScheduleConfig): number[] {
  const count = Math.floor((config.endStep - config.startStep) / config.pruningFrequency) + 1;
  return Array.from({ length: count }, (_, i) => config.startStep + i * config.pruningFrequency);
}

/**
 * The number of prune steps over which the target ratio grows (`total`), and how many of them count as completed before
 * the first. `total` excludes the first prune step, whose target ratio is the initial sparsity, unless it is the only
 * prune step.
 */
export function planPruneSteps(config: ScheduleConfig): { total: number; completed: number } {
  const total = Math.floor((config.endStep - config.startStep) / config.pruningFrequency);
  return total === 0 ? { total: 1, completed: 1 } : { total, completed: 0 };
}

/**
 * The target ratio after `completed` of `total` prune steps, not yet limited to the final target. `cube` is (t/T)^3 as
 * in INC, not 1 - (1 - t/T)^3 as in Zhu and Gupta (2017).
 */
function decayedTarget(
  decay: SparsityDecay,
  completed: number,
  total: number,
  initial: number,
  final: number,
): number {
  switch (decay) {
    case "cos":
      return (final - initial) * (1 - cos((completed / total) * (Math.PI / 2))) + initial;
    case "exp": {
      const change = pow((1 - final) / (1 - initial), 1 / total);
      return 1 - (1 - initial) * pow(change, completed);
    }
    case "linear":
      return ((final - initial) * completed) / total + initial;
    case "cube":
      return (final - initial) * pow(completed / total, 3) + initial;
    default:
      return decay satisfies never;
  }
}

/**
 * {@link targetRatio} under `strict`: the target ratio of the last prune step is exactly the final target, without
 * rounding errors.
 */
export function exactTargetRatio(
  config: ScheduleConfig,
  completed: number,
  total: number,
  initial: number,
): number {
  return completed >= total
    ? config.targetSparsity
    : targetRatio(config, completed, total, initial);
}

/**
 * The share of blocks (elements for N:M) to prune after `completed` of `total` prune steps. In a one-shot schedule it
 * is `targetSparsity`. Otherwise it grows to `targetSparsity`, capped by `maxSparsityRatioPerOp` (INC:
 * `IterativeScheduler.update_sparsity_ratio`).
 *
 * @param initial the sparsity at the start of the schedule.
 */
export function targetRatio(
  config: ScheduleConfig,
  completed: number,
  total: number,
  initial: number = 0,
): number {
  if (config.startStep === config.endStep) return config.targetSparsity;
  const final = Math.min(config.maxSparsityRatioPerOp, config.targetSparsity);
  const target = decayedTarget(config.sparsityDecay, completed, total, initial, final);
  return Math.min(config.targetSparsity, target);
}
