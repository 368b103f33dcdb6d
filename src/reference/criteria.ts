/**
 * Criteria (INC: `criteria.py`). magnitude: |w|; gradient: |g|; snip: |w g| (Lee, Ajanthan and Torr, "SNIP: single-shot
 * network pruning based on connection sensitivity", ICLR 2019); snip_momentum: 0.9 * old + 1.0 * snip, although INC's
 * documentation states the two factors in the opposite order. block_mask and retrain_free score a block by the gradient
 * m of its mask entry, as 0.9 * old + |m| and as old + m^2. Products are rounded to float32.
 */
import type { BlockCriterion, Criterion, ElementCriterion } from "../prune/criteria.ts";

export interface Rule {
  readonly readsGradients: boolean;
  /**
   * The factor by which the old score is multiplied before the new score is added. `null`: the new score replaces the
   * old score.
   */
  readonly decay: number | null;
  /** Computes the score of one step, from a weight and its gradient or from a mask entry and its gradient. */
  readonly score: (weight: number, gradient: number) => number;
}

const snip = (weight: number, gradient: number): number => Math.abs(Math.fround(weight * gradient));

const RULES: Readonly<Record<Criterion, Rule>> = {
  magnitude: { readsGradients: false, decay: null, score: (weight) => Math.abs(weight) },
  gradient: { readsGradients: true, decay: null, score: (_, gradient) => Math.abs(gradient) },
  snip: { readsGradients: true, decay: null, score: snip },
  snip_momentum: { readsGradients: true, decay: 0.9, score: snip },
  block_mask: { readsGradients: true, decay: 0.9, score: (_, gradient) => Math.abs(gradient) },
  retrain_free: { readsGradients: true, decay: 1, score: (_, gradient) => gradient * gradient },
};

export const CRITERION_NAMES: readonly string[] = Object.keys(RULES);

export function ruleOf(criterion: Criterion): Rule {
  return RULES[criterion];
}

/** Whether a criterion scores blocks by the gradients of their mask entries. */
export function scoresByBlockMask(criterion: Criterion): criterion is BlockCriterion {
  return criterion === "block_mask" || criterion === "retrain_free";
}

/** Whether a criterion adds element scores to earlier scores. INC then reduces them to block scores at every step. */
export function accumulates(criterion: Criterion): criterion is ElementCriterion {
  return !scoresByBlockMask(criterion) && RULES[criterion].decay !== null;
}
