/** Scores of one step, and their sum over the steps. */
import type { Criterion } from "../prune/criteria.ts";
import { ruleOf } from "./criteria.ts";
import { elements, type Matrix, zeros } from "./matrix.ts";
import { bfloat16 } from "./rounding.ts";

/** Scores of elements: |w| (magnitude), |g| (gradient), |w g| (snip, and one step of snip_momentum). */
export function elementScores(criterion: Criterion, weight: Matrix, gradient: Matrix): Matrix {
  const [rows = 0, columns = 0] = weight.shape;
  const scores = zeros(rows, columns);
  const gradients = elements(gradient);
  const { score } = ruleOf(criterion);
  scores.data.set(elements(weight).map((value, i) => score(value, Number(gradients[i]))));
  return scores;
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
  const [rows = 0, columns = 0] = old.shape;
  const round = lowMemory ? bfloat16 : Math.fround;
  const added = elements(fresh).map(round);
  const scores = zeros(rows, columns);
  scores.data.set(
    elements(old).map((score, i) => round(round(score * round(decay)) + Number(added[i]))),
  );
  return scores;
}
