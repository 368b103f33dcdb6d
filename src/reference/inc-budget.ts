/**
 * The budget under `inc` (`get_masks_global`, `update_residual_cnt`, `get_single_mask_per_target_ratio`). k =
 * trunc(blocks * ratio) minus the pruned blocks of frozen layers. All blocks up to the k-th lowest score are pruned,
 * including all ties, so more than k blocks may be pruned. If a layer reaches a bound, its own lowest share is pruned,
 * it is frozen with this mask, and its pruned blocks are subtracted from k. The other layers then compete again, until
 * no layer reaches a bound or k is 0.
 */
import { adjustedShare, type IncBounds } from "./adjust.ts";
import { type Count, totalOf } from "./count.ts";
import { at, elements, type MaskMatrix, type Matrix, maskOf } from "./matrix.ts";
import { Refusal } from "./refusal.ts";

/** A layer that competes for the budget. */
export interface IncContender {
  /** One score per block. */
  readonly scores: Matrix;
  /** Expands a mask of blocks to a mask of elements. */
  readonly expand: (blocks: MaskMatrix) => MaskMatrix;
  /** Counts the blocks of a mask of elements. */
  readonly count: (mask: MaskMatrix) => Count;
  readonly mask: MaskMatrix;
  readonly frozen: boolean;
}

interface IncOutcome {
  readonly mask: MaskMatrix;
  readonly frozen: boolean;
  /** Whether the mask is new. */
  readonly fresh: boolean;
}

function kthLowest(scores: readonly number[], k: number): number {
  if (k > scores.length)
    throw new Refusal("infeasible-budget", `${k} blocks to prune among ${scores.length}`);
  if (!scores.every(Number.isFinite)) throw new Refusal("invalid-score", "a score is not finite");
  return Number([...scores].sort((a, b) => a - b)[k - 1]);
}

/** Keeps the blocks with scores above `limit`. */
function above(scores: Matrix, limit: number): MaskMatrix {
  const [rows, columns] = scores.shape;
  return maskOf(rows, columns, (row, column) => at(scores, row, column) > limit);
}

/** Prunes the lowest trunc(blocks * share) blocks of one layer and all ties. */
function withoutLowest(scores: Matrix, share: number): MaskMatrix {
  const k = Math.trunc(share * elements(scores).length);
  return above(scores, k < 1 ? Number.NEGATIVE_INFINITY : kthLowest(elements(scores), k));
}

/**
 * The masks after a prune step, or `null` if k is 0 and no mask changes.
 *
 * @param needsOpen whether it is an error if k > 0 and all layers are frozen, as for N:M.
 * @throws Refusal for this error, if the open layers have fewer than k blocks, or if a score is not finite.
 */
export function incMasks(
  contenders: readonly IncContender[],
  ratio: number,
  bounds: IncBounds,
  needsOpen: boolean,
): readonly IncOutcome[] | null {
  const outcomes = contenders.map(
    ({ mask, frozen }): IncOutcome => ({ mask, frozen, fresh: false }),
  );
  const counts = contenders.map(({ count, mask }) => count(mask));
  const fixed = counts.filter((_, i) => contenders[i]?.frozen);
  let k = Math.trunc(totalOf(counts).total * ratio) - totalOf(fixed).pruned;
  if (k <= 0) return null;
  if (needsOpen && contenders.every(({ frozen }) => frozen))
    throw new Refusal("infeasible-budget", "every layer is frozen");
  let before: readonly number[] = [];
  for (;;) {
    const open = [...contenders.keys()].filter((i) => !outcomes[i]?.frozen);
    if (open.length === 0 || open.join() === before.join() || k < 1) return outcomes;
    before = open;
    const pool = open.flatMap((i) => elements(contenders[i].scores));
    const threshold = kthLowest(pool, k);
    for (const i of open) {
      const { scores, expand, count } = contenders[i];
      const proposal = expand(above(scores, threshold));
      const { adjusted, share } = adjustedShare(counts, i, count(proposal), bounds);
      const mask = adjusted ? expand(withoutLowest(scores, share)) : proposal;
      outcomes[i] = { mask, frozen: adjusted, fresh: true };
      counts[i] = count(mask);
      if (adjusted) k -= count(mask).pruned;
    }
  }
}
