/** Targets over time, in plain double arithmetic. */
import type { SparsityDecay } from "../prune/config.ts";

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
  const progress = completed / total;
  switch (decay) {
    case "linear":
      return initial + (target - initial) * progress;
    case "cos":
      return initial + (target - initial) * (1 - Math.cos((progress * Math.PI) / 2));
    case "cube":
      return initial + (target - initial) * progress ** 3;
    case "exp":
      return 1 - (1 - initial) * ((1 - target) / (1 - initial)) ** progress;
    default:
      return decay satisfies never;
  }
}
