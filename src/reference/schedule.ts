/**
 * When to prune and how much (INC: `BasePruner.__init__`, `check_is_pruned_step`, `IterativeScheduler`,
 * `OneshotScheduler`). A prune step comes every `pruning_frequency` steps from `start_step` to `end_step`. The
 * first has the initial sparsity as its target unless it is the only one. The target decays towards
 * min(max per op, target); a one-shot schedule ignores the bound. `cube` is (t/T)^3, not the 1 - (1 - t/T)^3 of
 * Zhu and Gupta, "To prune, or not to prune" (2017). The order of operations is INC's, and powers and cosines
 * are correctly rounded: a target off by one unit in the last place can cost a block.
 */
import { cos, pow } from "../core/real.ts";
import type { PrunerConfig, SparsityDecay } from "../prune/config.ts";

type Window = Pick<PrunerConfig, "startStep" | "endStep" | "pruningFrequency">;

/** All prune steps. */
export function pruneStepsOf({ startStep, endStep, pruningFrequency }: Window): number[] {
  const steps: number[] = [];
  for (let step = startStep; step <= endStep; step += pruningFrequency) steps.push(step);
  return steps;
}

/** Prune steps that the target is spread over, and how many of them count as done at the beginning. */
export function plannedPruneSteps(config: Window): { total: number; completed: number } {
  const count = pruneStepsOf(config).length - 1;
  return count === 0 ? { total: 1, completed: 1 } : { total: count, completed: 0 };
}

/**
 * Share to prune after `completed` of `total` prune steps, on the way from `initial` to `target`.
 */
export function scheduledTarget(
  decay: SparsityDecay,
  completed: number,
  total: number,
  initial: number,
  target: number,
): number {
  const done = completed / total;
  switch (decay) {
    case "linear":
      return ((target - initial) * completed) / total + initial;
    case "cos":
      return (target - initial) * (1 - cos(done * (Math.PI / 2))) + initial;
    case "cube":
      return (target - initial) * pow(done, 3) + initial;
    case "exp": {
      const factor = pow((1 - target) / (1 - initial), 1 / total);
      return 1 - (1 - initial) * pow(factor, completed);
    }
    default:
      return decay satisfies never;
  }
}

/** The target of a prune step: the decay's value, at most the final target. */
export function targetOf(
  config: PrunerConfig,
  completed: number,
  total: number,
  initial: number,
): number {
  const { startStep, endStep, targetSparsity, maxSparsityRatioPerOp, sparsityDecay } = config;
  if (startStep === endStep) return targetSparsity;
  const final = Math.min(maxSparsityRatioPerOp, targetSparsity);
  const target = scheduledTarget(sparsityDecay, completed, total, initial, final);
  return Math.min(targetSparsity, target);
}
