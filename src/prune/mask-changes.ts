/** When the masks on the weights can change, read off the configuration: for who keeps what depends on them. */
import { isPruneStep, type ScheduleConfig } from "./schedule.ts";
import type { PrunerState } from "./state.ts";

/** The part of a pruner that decides when its masks change. */
type ScheduledPruner = Pick<PrunerState, "config" | "interpolating">;

/**
 * Whether the beginning of `step` can change a mask that is on a weight. Interpolated masks change between prune
 * steps as well, and for the last time after the end step.
 */
export function mayChangeMasks({ config, interpolating }: ScheduledPruner, step: number): boolean {
  if (!interpolating) return isPruneStep(config, step);
  return step >= config.startStep && step <= config.endStep + 1;
}

/** The last of a schedule's prune steps. */
function lastPruneStep({ startStep, endStep, pruningFrequency }: ScheduleConfig): number {
  return endStep - ((endStep - startStep) % pruningFrequency);
}

/**
 * Whether nothing that happens from within `step` (once it has begun) has any effect on a mask, nor a gradient of a
 * pruned weight on a kept one. The latter is so while group lasso acts: a block's term is from all of its gradients.
 */
export function masksAreFinal({ config, interpolating }: ScheduledPruner, step: number): boolean {
  const afterEnd = interpolating || config.groupLasso !== null;
  return afterEnd ? step > config.endStep : step >= lastPruneStep(config);
}
