/**
 * Progressive pruning: the mask changes of a prune step are made in up to four parts, lowest scores first (INC:
 * `PytorchProgressivePruner`, `update_progressive_masks_global_scores`). INC ranks the changes of all layers together
 * in any scope. `strict` ranks each layer separately in local scope.
 *
 * A part is due every floor(pruning_frequency / 4) steps. INC counts these steps from the start step, and also prunes
 * all elements with the same score as the last element of a part. `strict` counts from the latest prune step, and
 * prunes an exact number of elements, which includes those that earlier parts have pruned. Elements that a prune step
 * restores stay pruned until the last part. If prune steps are fewer than four steps apart, `strict` makes one part per
 * step, and `inc` makes only the first of the four parts. If the end step is at most four steps after the start step,
 * or if every step is a prune step, masks are not interpolated.
 */
import { checkInteger, checkRecords } from "../core/checks.ts";
import type { Profile, PrunerConfig } from "../prune/config.ts";
import { checkMatrix, checkProfile } from "./arguments.ts";
import { elements, type MaskMatrix, type Matrix, maskOf } from "./matrix.ts";
import { Refusal } from "./refusal.ts";

/** Returns whether masks are interpolated, the number of parts, and the number of steps from one part to the next. */
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

/** The change of one layer's mask at a prune step. */
interface Change {
  readonly before: MaskMatrix;
  readonly after: MaskMatrix;
  /** The current interpolated mask. */
  readonly applied: MaskMatrix;
  /** One score per element. */
  readonly scores: Matrix;
}

/**
 * Divides the mask changes into `parts` parts, and computes the interpolated masks with the first `part` parts applied.
 *
 * @throws Refusal under `inc` if a part is too small to contain an element.
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
  checkRecords("changes", changes, "before", "after", "applied", "scores");
  changes.forEach(({ before, after, applied, scores }, i) => {
    checkMatrix(`changes[${i}].before`, before, "Uint8Array");
    checkMatrix(`changes[${i}].after`, after, "Uint8Array", before.shape);
    checkMatrix(`changes[${i}].applied`, applied, "Uint8Array", before.shape);
    checkMatrix(`changes[${i}].scores`, scores, "Float32Array", before.shape);
  });
  checkInteger("parts", parts, 1);
  checkInteger("part", part, 0, parts);
  checkProfile(profile);
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

/** Compares two numbers. Unlike their difference, the result is 0 for equal infinities. */
function order(a: number, b: number): number {
  return a === b ? 0 : a - b;
}
