/**
 * One-shot pruning in stages: score the elements, reduce their scores to block scores, divide the budget, and compute
 * the masks.
 */
import type { Profile, PruningScope, ScoreReduction } from "../prune/config.ts";
import type { ElementCriterion } from "../prune/criteria.ts";
import type { Pattern } from "../prune/pattern.ts";
import { blockScores } from "./blocks.ts";
import { layoutOf } from "./layout.ts";
import { weightMatrix } from "./matrix.ts";
import { replacedMasks } from "./replace.ts";
import { elementScores } from "./score.ts";

/** A layer to prune: its weight, and its gradient if the criterion reads one. */
export interface ReferenceLayer {
  readonly shape: readonly number[];
  readonly data: Float32Array;
  readonly gradient?: Float32Array | null;
}

/** Options for {@link pruneOnceReference}. */
export interface ReferenceOptions {
  readonly pattern: Pattern;
  readonly targetSparsity: number;
  readonly scope: PruningScope;
  readonly criterion: ElementCriterion;
  readonly scoreReduction: ScoreReduction;
  readonly profile: Profile;
  /**
   * The smallest and the largest share that may be pruned in a single layer. Defaults: 0 and the maximum that the
   * pattern allows.
   */
  readonly least?: number;
  readonly most?: number;
}

/**
 * Prunes layers once and returns their masks: 1 for each kept and 0 for each pruned element, in the weight's own order.
 * In a layer that does not divide evenly into blocks, all elements are kept.
 *
 * @example
 * ```ts
 * import { pruneOnceReference } from "espalier/reference";
 *
 * const [mask] = pruneOnceReference([{ shape: [1, 4], data: Float32Array.of(3, -1, 2, 4) }], {
 *   pattern: { kind: "group", prune: 2, of: 4 },
 *   targetSparsity: 0.5,
 *   scope: "global",
 *   criterion: "magnitude",
 *   scoreReduction: "mean",
 *   profile: "strict",
 * });
 * if (mask?.join() !== "1,0,0,1") throw new Error("expected 2:4 to prune -1 and 2");
 * ```
 */
export function pruneOnceReference(
  layers: readonly ReferenceLayer[],
  options: ReferenceOptions,
): Uint8Array[] {
  const { pattern, profile, scope, criterion, scoreReduction, targetSparsity } = options;
  const { least = 0, most = pattern.kind === "group" ? pattern.prune / pattern.of : 1 } = options;
  const rule = {
    pattern,
    criterion,
    pruningScope: scope,
    scoreReduction,
    lowMemoryUsage: false,
    targetSparsity,
    minSparsityRatioPerOp: least,
    maxSparsityRatioPerOp: most,
  };
  const scored = layers.map(({ data, gradient, shape }) => {
    const layout = layoutOf(pattern, shape);
    const weight = weightMatrix(data, shape);
    const scores = elementScores(criterion, weight, weightMatrix(gradient ?? data, shape));
    const elementwise = pattern.kind === "group" || !layout.divides;
    return {
      shape,
      layout,
      mask: new Uint8Array(data.length).fill(1),
      frozen: false,
      scores: elementwise
        ? scores
        : blockScores(scores, layout.height, layout.width, scoreReduction),
    };
  });
  return replacedMasks(rule, profile, scored, targetSparsity).map(({ mask }) => mask);
}
