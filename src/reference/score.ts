/** Scores of one step, and their sum over the steps. */
import type { Criterion } from "../prune/criteria.ts";
import { ruleOf } from "./criteria.ts";
import { elements, type Matrix, mapped } from "./matrix.ts";
import { bfloat16 } from "./rounding.ts";

/** Scores of elements in one step, before they accumulate. */
export function elementScores(criterion: Criterion, weight: Matrix, gradient: Matrix): Matrix {
  const gradients = elements(gradient);
  const { score } = ruleOf(criterion);
  return mapped(weight, (value, i) => score(value, gradients[i]));
}

/**
 * decay * old + fresh. The product is rounded to float32 before the sum; `lowMemory` rounds everything to bfloat16,
 * in which 0.9 is 0.8984375.
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
