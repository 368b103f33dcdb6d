/** Scores elements at one step, and accumulates scores over steps. */
import type { Criterion } from "../prune/criteria.ts";
import { ruleOf } from "./criteria.ts";
import { elements, type Matrix, mapped } from "./matrix.ts";
import { bfloat16 } from "./rounding.ts";

/** Computes the scores of all elements at one step. */
export function elementScores(criterion: Criterion, weight: Matrix, gradient: Matrix): Matrix {
  const gradients = elements(gradient);
  const { score } = ruleOf(criterion);
  return mapped(weight, (value, i) => score(value, gradients[i]));
}

/**
 * Computes decay * old + fresh. The product is rounded to float32 before the addition. With `lowMemory`, all values are
 * rounded to bfloat16, including the decay: 0.9 becomes 0.8984375.
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
