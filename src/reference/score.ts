/** How much each element matters. */
import { abs, addeq, assign, mul, mulseq } from "ndarray-ops";
import type { Criterion } from "../prune/config.ts";
import { asNdarray, type Matrix, zeros } from "./matrix.ts";

/**
 * Element scores: |w| (magnitude), |g| (gradient), |w g| (snip, and one step of snip_momentum).
 */
export function elementScores(criterion: Criterion, weight: Matrix, gradient: Matrix): Matrix {
  const [rows = 0, columns = 0] = weight.shape;
  const scores = zeros(rows, columns);
  if (criterion === "magnitude") assign(scores, asNdarray(weight));
  else if (criterion === "gradient") assign(scores, asNdarray(gradient));
  else mul(scores, asNdarray(weight), asNdarray(gradient));
  abs(scores, scores);
  return scores;
}

/** snip_momentum: 0.9 * old + 1.0 * fresh. */
export function momentumScores(old: Matrix, fresh: Matrix): Matrix {
  const [rows = 0, columns = 0] = old.shape;
  const scores = zeros(rows, columns);
  assign(scores, asNdarray(old));
  mulseq(scores, 0.9);
  addeq(scores, asNdarray(fresh));
  return scores;
}
