/**
 * Prune steps and their target ratios (INC: `BasePruner.__init__`, `check_is_pruned_step`, `IterativeScheduler`,
 * `OneshotScheduler`). There is a prune step every `pruning_frequency` steps from `start_step` to `end_step`. The first
 * prune step's ratio is the initial sparsity, unless it is the only prune step. The ratio then grows to
 * `targetSparsity`, capped by `maxSparsityRatioPerOp`. A one-shot schedule ignores that cap. `cube` is (t/T)^3, not 1 -
 * (1 - t/T)^3 as in Zhu and Gupta, "To prune, or not to prune" (2017). The order of operations is INC's, and powers and
 * cosines are correctly rounded, because an error of one unit in the last place can change the number of pruned blocks.
 */
import { cos, pow } from "../core/real.ts";
import type { PrunerConfig, SparsityDecay } from "../prune/config.ts";

type Window = Pick<PrunerConfig, "startStep" | "endStep" | "pruningFrequency">;

export function pruneStepsOf({ startStep, endStep, pruningFrequency }: Window): number[] {
  const steps: number[] = [];
  for (let step = startStep; step <= endStep; step += pruningFrequency) steps.push(step);
  return steps;
}

/**
 * The number of prune steps over which the target ratio grows (`total`), and how many of them count as completed before
 * the first.
 */
export function plannedPruneSteps(config: Window): { total: number; completed: number } {
  const count = pruneStepsOf(config).length - 1;
  return count === 0 ? { total: 1, completed: 1 } : { total: count, completed: 0 };
}

/** Returns the ratio after `completed` of `total` prune steps, on the decay curve from `initial` to `target`. */
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

/** Returns the target ratio after `completed` of `total` prune steps, at most `targetSparsity`. */
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
