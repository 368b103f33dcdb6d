/** When the masks on the weights can change: for code that keeps what depends on them. */
import { isPruneStep, type ScheduleConfig } from "./schedule.ts";
import type { PrunerState } from "./state.ts";

/** The part of a pruner that decides when its masks change. */
type ScheduledPruner = Pick<PrunerState, "config" | "interpolating">;

/**
 * Whether the beginning of `step` can change a mask that is on a weight. Interpolated masks also change between prune
 * steps, and for the last time after the end step.
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
 * Whether nothing that happens once `step` has begun can change a mask, and no gradient of a pruned weight can change a
 * kept one. Group lasso does the latter until the end step: a block's term comes from all of its gradients.
 */
export function masksAreFinal({ config, interpolating }: ScheduledPruner, step: number): boolean {
  const afterEnd = interpolating || config.groupLasso !== null;
  return afterEnd ? step > config.endStep : step >= lastPruneStep(config);
}
