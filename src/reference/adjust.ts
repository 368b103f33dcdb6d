/**
 * Bounds the share of blocks pruned in a layer, as INC does (`BasePattern.adjust_ratio`). A proposed share above `most`
 * is lowered to `most`. Then, if any layer is above the final target, the rest of the final budget must suffice to
 * raise all layers below `least` to `least`. If it does not, the share of this layer is lowered by the difference. The
 * other layers are counted by their current masks: a layer already handled in this prune step has its new mask, any
 * other layer its old one.
 */
import { checkInteger, checkRecords } from "../core/checks.ts";
import { checkBounds, checkCount } from "./arguments.ts";
import type { Count } from "./count.ts";

/** The bounds on the share of blocks pruned in a single layer, and the final share for the whole network. */
export interface IncBounds {
  readonly least: number;
  readonly most: number;
  readonly final: number;
}

const shareOf = ({ pruned, total }: Count): number => pruned / total;

/**
 * The share of blocks that may be pruned in layer `index`, and whether it differs from the proposed share.
 *
 * @param counts the current block counts of all layers.
 * @param proposal the block count of layer `index` with the proposed mask.
 *
 * @example
 * ```ts
 * import { adjustedShare } from "espalier/reference";
 *
 * const counts = [{ pruned: 0, total: 8 }];
 * const bounds = { least: 0, most: 0.5, final: 0.75 };
 * const { adjusted, share } = adjustedShare(counts, 0, { pruned: 6, total: 8 }, bounds);
 * if (!adjusted || share !== 0.5) throw new Error("6 of 8 exceed the most that a layer may lose");
 * ```
 */
export function adjustedShare(
  counts: readonly Count[],
  index: number,
  proposal: Count,
  bounds: IncBounds,
): { readonly adjusted: boolean; readonly share: number } {
  checkRecords("counts", counts, "pruned", "total");
  counts.forEach((count, i) => {
    checkCount(`counts[${i}]`, count);
  });
  if (counts.length === 0) throw new RangeError("counts: expected at least one, got none");
  checkInteger("index", index, 0, counts.length - 1);
  checkCount("proposal", proposal);
  checkBounds("bounds", bounds, "least", "most", "final");
  const { least, most, final } = bounds;
  const exceeds = shareOf(proposal) > most;
  const share = exceeds ? most : shareOf(proposal);
  const pruned = exceeds ? Math.trunc(proposal.total * most) : proposal.pruned;
  if (share < least) return { adjusted: exceeds, share };
  if (![share, ...counts.map(shareOf)].some((one) => one > final))
    return { adjusted: exceeds, share };

  const mixed = counts.map((count, i) => (i === index ? { ...proposal, pruned } : count));
  const shares = counts.map((count, i) => (i === index ? share : shareOf(count)));
  const add = (list: readonly Count[], part: keyof Count): number =>
    list.reduce((sum, count) => sum + count[part], 0);
  const low = mixed.filter((_, i) => Number(shares[i]) < least);
  const gap = Math.trunc(add(low, "total") * least) - add(low, "pruned");
  const all = Math.trunc(add(counts, "total") * final);
  const remaining = all - add(mixed, "pruned");
  if (remaining >= gap) return { adjusted: exceeds, share };
  return { adjusted: true, share: (pruned - (gap - remaining)) / proposal.total };
}
