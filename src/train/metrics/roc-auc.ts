import { checkLength } from "../../core/checks.ts";
import { averageRanks } from "./ranks.ts";

/**
 * Computes the area under the receiver operating characteristic: the probability that a row of class 1 has a larger
 * score than a row of class 0. A tie counts half.
 *
 * @param labels 0 or 1 for each row
 * @param scores logits or probabilities of class 1
 * @returns null if only one class occurs
 */
export function rocAuc(labels: ArrayLike<number>, scores: ArrayLike<number>): number | null {
  checkLength("scores", scores, labels.length);
  const ranks = averageRanks(scores);
  let positives = 0;
  let rankSum = 0;
  for (let i = 0; i < ranks.length; i++) {
    if (labels[i] !== 1) continue;
    positives++;
    rankSum += ranks[i] as number;
  }
  const negatives = ranks.length - positives;
  if (positives === 0 || negatives === 0) return null;
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}
