/**
 * The budget under `inc` (`get_masks_global`, `update_residual_cnt`, `get_single_mask_per_target_ratio`). Let k be
 * trunc(blocks * ratio) minus the number of pruned blocks in frozen layers. All blocks with scores up to the k-th
 * lowest are pruned, including all ties, so more than k blocks may be pruned. If a layer reaches a bound, only the
 * share that the bound allows is pruned in it, lowest scores first. The layer is frozen with this mask, and its pruned
 * blocks are subtracted from k. The other layers then compete again, until no layer reaches a bound or k is 0.
 */
import { adjustedShare, type IncBounds } from "./adjust.ts";
import { type Count, totalOf } from "./count.ts";
import { at, elements, type MaskMatrix, type Matrix, maskOf } from "./matrix.ts";
import { Refusal } from "./refusal.ts";

/** A layer that competes with others for the budget of a prune step. */
export interface IncContender {
  /** One score per block. */
  readonly scores: Matrix;
  /** Expands a mask with one entry per block to a mask with one entry per element. */
  readonly expand: (blocks: MaskMatrix) => MaskMatrix;
  /** Counts the pruned blocks and all blocks in a mask with one entry per element. */
  readonly count: (mask: MaskMatrix) => Count;
  readonly mask: MaskMatrix;
  readonly frozen: boolean;
}

interface IncOutcome {
  readonly mask: MaskMatrix;
  readonly frozen: boolean;
  /** Whether the mask was computed in this prune step. */
  readonly fresh: boolean;
}

function kthLowest(scores: readonly number[], k: number): number {
  if (k > scores.length)
    throw new Refusal("infeasible-budget", `${k} blocks to prune among ${scores.length}`);
  if (!scores.every(Number.isFinite)) throw new Refusal("invalid-score", "a score is not finite");
  return Number([...scores].sort((a, b) => a - b)[k - 1]);
}

/** Returns a mask that keeps the blocks with scores above `limit`. */
function above(scores: Matrix, limit: number): MaskMatrix {
  const [rows, columns] = scores.shape;
  return maskOf(rows, columns, (row, column) => at(scores, row, column) > limit);
}

/**
 * Returns a mask for one layer that prunes the trunc(blocks * share) blocks with the lowest scores, and all blocks tied
 * with the last of them.
 */
function withoutLowest(scores: Matrix, share: number): MaskMatrix {
  const k = Math.trunc(share * elements(scores).length);
  return above(scores, k < 1 ? Number.NEGATIVE_INFINITY : kthLowest(elements(scores), k));
}

/**
 * Computes the masks after a prune step. Returns `null` if frozen layers use up the budget, so that no mask changes.
 *
 * @param needsOpen whether to throw if budget is left but all layers are frozen, as INC does for N:M patterns.
 * @throws Refusal if `needsOpen` is true and all layers are frozen although budget is left, if the layers that are not
 * frozen have too few blocks, or if a score is not finite.
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
