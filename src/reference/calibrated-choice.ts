/** What calibrated pruning takes from a list of scores, in one place for SparseGPT, Wanda and DSnoT. */
import { exactCount } from "./budget.ts";

/** Single elements, or `prune` of every `of` consecutive inputs of one output. */
export interface Units {
  readonly prune: number;
  readonly of: number;
}

/** Returns the positions of the `count` lowest scores; of equal scores, those of the lowest positions. */
export function lowest(scores: readonly number[], count: number): number[] {
  return scores
    .map((score, position) => ({ score, position }))
    .sort((a, b) => a.score - b.score || a.position - b.position)
    .slice(0, count)
    .map(({ position }) => position);
}

/** The number of whole groups that a share of elements means. */
export function groupCount(groups: number, target: number, { prune, of }: Units): number {
  return exactCount(groups, (target * of) / prune);
}

/**
 * The pruned positions of a row under `strict`: in the groups whose lowest scores have the lowest `cost` together, as
 * many as the target asks for, the lowest `prune` scores of each.
 */
export function prunedOfRow(
  scores: readonly number[],
  units: Units,
  target: number,
  cost: (score: number) => number,
): number[] {
  const groups = Array.from({ length: scores.length / units.of }, (_, group) => {
    const start = group * units.of;
    const own = scores.slice(start, start + units.of);
    return lowest(own, units.prune).map((position) => start + position);
  });
  const costs = groups.map((group) => group.reduce((sum, i) => sum + cost(scores[i]), 0));
  return lowest(costs, groupCount(groups.length, target, units)).flatMap((group) => groups[group]);
}
