/** Determines when masks can change, for code that caches values computed from masks. */
import { isPruneStep, type ScheduleConfig } from "./schedule.ts";
import type { PrunerState } from "./state.ts";

type ScheduledPruner = Pick<PrunerState, "config" | "interpolating">;

/**
 * Whether a mask that is applied to a weight can change at the beginning of `step`. Interpolated masks also change
 * between prune steps, and once after the end step.
 */
export function mayChangeMasks({ config, interpolating }: ScheduledPruner, step: number): boolean {
  if (!interpolating) return isPruneStep(config, step);
  return step >= config.startStep && step <= config.endStep + 1;
}

function lastPruneStep({ startStep, endStep, pruningFrequency }: ScheduleConfig): number {
  return endStep - ((endStep - startStep) % pruningFrequency);
}

/**
 * Whether no mask can change any more after the beginning of `step`, and no gradient of a pruned weight can affect a
 * kept weight. With group lasso, such gradients matter until the end step, because the share by which a block shrinks
 * can depend on the gradients of the whole block.
 */
export function masksAreFinal({ config, interpolating }: ScheduledPruner, step: number): boolean {
  const afterEnd = interpolating || config.groupLasso !== null;
  return afterEnd ? step > config.endStep : step >= lastPruneStep(config);
}
