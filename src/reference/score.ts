/** Scores of one step, and their accumulation over steps. */
import type { Criterion } from "../prune/criteria.ts";
import { ruleOf } from "./criteria.ts";
import { elements, type Matrix, mapped } from "./matrix.ts";
import { bfloat16 } from "./rounding.ts";

/** Element scores of one step. */
export function elementScores(criterion: Criterion, weight: Matrix, gradient: Matrix): Matrix {
  const gradients = elements(gradient);
  const { score } = ruleOf(criterion);
  return mapped(weight, (value, i) => score(value, gradients[i]));
}

/**
 * decay * old + fresh. The product is rounded to float32 before the addition. `lowMemory` rounds all values to
 * bfloat16, even the decay: 0.9 becomes 0.8984375.
 */
export function accumulatedScores(
  old: Matrix,
  fresh: Matrix,
  decay: number,
  lowMemory: boolean = false,
): Matrix {
  const round = lowMemory ? bfloat16 : Math.fround;
  const added = elements(fresh).map(round);
  return mapped(old, (score, i) => round(round(score * round(decay)) + added[i]));
}
