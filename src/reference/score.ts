/**
 * How much each element matters (INC: `criteria.py`). magnitude: |w|; gradient: |g|; snip: |w g| (Lee, Ajanthan
 * and Torr, "SNIP: single-shot network pruning based on connection sensitivity", ICLR 2019); snip_momentum:
 * 0.9 * old + 1.0 * fresh, where the documentation says the reverse. Products and sums are float32.
 */
import { abs, addeq, assign, mul } from "ndarray-ops";
import type { Criterion } from "../prune/config.ts";
import { asNdarray, elements, type Matrix, zeros } from "./matrix.ts";
import { bfloat16 } from "./rounding.ts";

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

/**
 * snip_momentum: 0.9 * old + 1.0 * fresh. The product is rounded to float32 before the sum; `lowMemory` rounds
 * everything to bfloat16, where 0.9 is 0.8984375.
 */
export function momentumScores(old: Matrix, fresh: Matrix, lowMemory: boolean = false): Matrix {
  const [rows = 0, columns = 0] = old.shape;
  const scores = zeros(rows, columns);
  if (lowMemory) {
    const added = elements(fresh).map(bfloat16);
    const sums = elements(old).map((score, i) =>
      bfloat16(bfloat16(score * bfloat16(0.9)) + Number(added[i])),
    );
    scores.data.set(sums);
    return scores;
  }
  scores.data.set(elements(old).map((score) => score * Math.fround(0.9)));
  addeq(scores, asNdarray(fresh));
  return scores;
}
