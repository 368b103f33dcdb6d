/** When masks can change, for code that caches values computed from them. */
import { isPruneStep, type ScheduleConfig } from "./schedule.ts";
import type { PrunerState } from "./state.ts";

type ScheduledPruner = Pick<PrunerState, "config" | "interpolating">;

/**
 * Whether the beginning of `step` can change a mask that is applied to a weight. Interpolated masks also change between
 * prune steps, and once after the end step.
 */
export function mayChangeMasks({ config, interpolating }: ScheduledPruner, step: number): boolean {
  if (!interpolating) return isPruneStep(config, step);
  return step >= config.startStep && step <= config.endStep + 1;
}

function lastPruneStep({ startStep, endStep, pruningFrequency }: ScheduleConfig): number {
  return endStep - ((endStep - startStep) % pruningFrequency);
}

/**
 * Whether no mask can change after the beginning of `step`, and no gradient of a pruned weight can change a kept
 * weight. Until the end step group lasso lets it: a block's term depends on the gradients of the whole block.
 */
export function masksAreFinal({ config, interpolating }: ScheduledPruner, step: number): boolean {
  const afterEnd = interpolating || config.groupLasso !== null;
  return afterEnd ? step > config.endStep : step >= lastPruneStep(config);
}
