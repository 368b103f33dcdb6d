/** What a criterion reads (INC: which hooks the classes of `criteria.py` implement). */
import type { BlockCriterion, Criterion } from "../prune/config.ts";

/** Whether it reads gradients. */
export function readsGradients(criterion: Criterion): boolean {
  return criterion !== "magnitude";
}

/** Whether it reads the gradients of block masks. */
export function scoresByBlockMask(criterion: Criterion): criterion is BlockCriterion {
  return criterion === "block_mask" || criterion === "retrain_free";
}
