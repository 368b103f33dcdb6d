/**
 * How many blocks each layer loses under the `strict` profile: the exact budget, ties by lowest index,
 * pruned blocks stay pruned, and every layer within its bounds.
 */
import type { Decision } from "./budget.ts";
import { PruningError } from "./layer.ts";
import { kthSmallest, type SelectionScratch } from "./threshold.ts";

/** A layer under exact selection. Its scores are overwritten: they carry the bounds. */
export interface ExactCandidate {
  readonly name: string;
  /** One score per block; consumed. -Infinity marks blocks already pruned. */
  readonly scores: Float32Array;
  /** Blocks already pruned. */
  readonly pruned: number;
  /** Fewest and most blocks the layer may lose, those already pruned included. */
  readonly least: number;
  readonly most: number;
}

/** The number of blocks a share asks for; the one place where ratios become counts under `strict`. */
export function exactCount(blocks: number, ratio: number): number {
  return Math.floor(blocks * ratio + 1e-9);
}

/** The decision that takes exactly `count` of the scores in all chunks, ties in order. */
export function exactDecision(
  chunks: readonly Float32Array[],
  count: number,
  scratch: SelectionScratch,
): Decision {
  if (count === 0) return { threshold: Number.NEGATIVE_INFINITY, ties: 0 };
  const threshold = kthSmallest(chunks, count, scratch, true);
  let below = 0;
  for (const chunk of chunks)
    for (let i = 0; i < chunk.length; i++) if ((chunk[i] as number) < threshold) below++;
  return { threshold, ties: count - below };
}

/** Replaces scores: taken ones by `taken`, the others by `rest`, where those are given. */
function rewrite(
  scores: Float32Array,
  decision: Decision,
  taken: number | null,
  rest: number | null,
): void {
  let ties = decision.ties;
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i] as number;
    const take = score < decision.threshold || (score === decision.threshold && ties-- > 0);
    if (take && taken !== null) scores[i] = taken;
    if (!take && rest !== null) scores[i] = rest;
  }
}

/**
 * Each layer's fewest, within the budget. Shares that round down separately can ask for a block more than
 * their sum does; then the last layers that have not lost their fewest yet go without.
 */
function fewestWithin(candidates: readonly ExactCandidate[], budget: number): number[] {
  const fewest = candidates.map(({ least }) => least);
  let excess = fewest.reduce((sum, count) => sum + count, 0) - budget;
  for (let i = candidates.length - 1; i >= 0 && excess > 0; i--) {
    const spare = Math.min(
      excess,
      (fewest[i] as number) - (candidates[i] as ExactCandidate).pruned,
    );
    fewest[i] = (fewest[i] as number) - spare;
    excess -= spare;
  }
  return fewest;
}

/**
 * Divides exactly `budget` blocks among the candidates: each layer first its fewest, then the lowest
 * scores of all layers, as far as each layer's most allows.
 *
 * @returns one decision per candidate, for scores as this function leaves them.
 * @throws PruningError `infeasible-budget` where the bounds cannot hold the budget.
 */
export function planExactBudget(
  candidates: readonly ExactCandidate[],
  budget: number,
  scratch: SelectionScratch,
): Decision[] {
  const pruned = candidates.reduce((sum, candidate) => sum + candidate.pruned, 0);
  const most = candidates.reduce((sum, candidate) => sum + candidate.most, 0);
  if (budget < pruned || budget > most)
    throw new PruningError(
      "infeasible-budget",
      `budget: expected from ${pruned} to ${most} blocks within the per-layer bounds, got ${budget}`,
    );
  const leasts = fewestWithin(candidates, budget);
  for (const [i, { scores, most: greatest }] of candidates.entries()) {
    const fewest = leasts[i] as number;
    if (greatest < scores.length)
      rewrite(scores, exactDecision([scores], greatest, scratch), null, Number.POSITIVE_INFINITY);
    if (fewest > 0)
      rewrite(scores, exactDecision([scores], fewest, scratch), Number.NEGATIVE_INFINITY, null);
  }
  const chunks = candidates.map(({ scores }) => scores);
  let { threshold, ties } = exactDecision(chunks, budget, scratch);
  return chunks.map((scores) => {
    let equal = 0;
    for (let i = 0; i < scores.length; i++) if (scores[i] === threshold) equal++;
    const taken = Math.min(equal, ties);
    ties -= taken;
    return { threshold, ties: taken };
  });
}
