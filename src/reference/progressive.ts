/**
 * Progressive pruning: the elements that change at a prune step change in four parts, lowest scores first (INC:
 * `PytorchProgressivePruner`, `update_progressive_masks_global_scores`): in INC of all layers together whatever the
 * scope, under `strict` of each layer for itself in local scope. Ticks come every floor(frequency / 4) steps. INC
 * counts them from the start step and prunes all ties of a part's last element; `strict` counts from the latest prune
 * step and prunes the exact number, beginning with those that earlier parts have pruned, whatever their scores are now.
 * Elements that come back to life wait until the change is complete. Prune steps that are closer than four steps leave
 * time for fewer parts, one at each step; INC makes one quarter then and no more. A window of at most four steps, or a
 * prune step at every step, leaves no room, and pruning is plain.
 */
import type { Profile, PrunerConfig } from "../prune/config.ts";
import { elements, type MaskMatrix, type Matrix, maskOf } from "./matrix.ts";
import { Refusal } from "./refusal.ts";

/** Whether masks are interpolated, in how many parts, and how many steps apart. */
export function partsOf(
  config: PrunerConfig,
  profile: Profile,
): {
  readonly interpolates: boolean;
  readonly parts: number;
  readonly interval: number;
} {
  const { method, startStep, endStep, pruningFrequency } = config;
  const interpolates = method === "progressive" && endStep - startStep > 4 && pruningFrequency > 1;
  return pruningFrequency < 4
    ? { interpolates, parts: pruningFrequency, interval: profile === "inc" ? pruningFrequency : 1 }
    : { interpolates, parts: 4, interval: Math.floor(pruningFrequency / 4) };
}

/**
 * A layer's masks before and after a prune step, the one that is applied so far, and a score for each element, in
 * matrix order.
 */
interface Change {
  readonly before: MaskMatrix;
  readonly after: MaskMatrix;
  readonly applied: MaskMatrix;
  readonly scores: Matrix;
}

/**
 * Masks in which `part` of `parts` of the changes are made.
 *
 * @throws Refusal under `inc` if a part comes to no element.
 *
 * @example
 * ```ts
 * import { interpolatedMasks, weightMatrix } from "espalier/reference";
 *
 * const ones = weightMatrix(Uint8Array.of(1, 1, 1, 1), [1, 4]);
 * const after = weightMatrix(Uint8Array.of(0, 0, 0, 0), [1, 4]);
 * const scores = weightMatrix(Float32Array.of(4, 3, 1, 2), [1, 4]);
 * const change = { before: ones, after, applied: ones, scores };
 * const [half] = interpolatedMasks([change], 2, 4, "strict");
 * if (half?.data.join() !== "1,1,0,0") throw new Error("expected the two lowest scores to go");
 * ```
 */
export function interpolatedMasks(
  changes: readonly Change[],
  part: number,
  parts: number,
  profile: Profile,
): MaskMatrix[] {
  const changed = changes.flatMap(({ before, after, applied, scores }, layer) => {
    const [old, fresh, values] = [elements(before), elements(after), elements(scores)];
    const isPruned = elements(applied).map((bit) => profile === "strict" && bit === 0);
    return [...old.keys()]
      .filter((index) => old[index] !== fresh[index])
      .map((index) => ({
        layer,
        index,
        score: isPruned[index] ? Number.NEGATIVE_INFINITY : values[index],
      }));
  });
  const sorted = [...changed].sort(
    (a, b) => order(a.score, b.score) || a.layer - b.layer || a.index - b.index,
  );
  const count = Math.floor((changed.length * part) / parts);
  if (profile === "inc" && changed.length > 0 && count === 0)
    throw new Refusal("infeasible-budget", "a part of no element");
  const last = sorted[count - 1]?.score ?? Number.NEGATIVE_INFINITY;
  const chosen =
    profile === "strict" ? sorted.slice(0, count) : sorted.filter(({ score }) => score <= last);
  return changes.map(({ before }, layer) => {
    const pruned = new Set(chosen.filter((one) => one.layer === layer).map(({ index }) => index));
    const old = elements(before);
    const [rows, columns] = before.shape;
    return maskOf(rows, columns, (_row, _column, index) => old[index] === 1 && !pruned.has(index));
  });
}

/** Negative, 0 or positive as a < b, a = b or a > b; infinities included. */
function order(a: number, b: number): number {
  return a === b ? 0 : a - b;
}
