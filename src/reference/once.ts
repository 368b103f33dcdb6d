/**
 * One-shot pruning in stages: score the elements, reduce their scores to block scores, divide the budget, and compute
 * the masks.
 */
import {
  checkFloat32Array,
  checkNumber,
  checkOneOf,
  checkOptions,
  checkRecords,
} from "../core/checks.ts";
import type { Profile, PruningScope, ScoreReduction } from "../prune/config.ts";
import type { ElementCriterion } from "../prune/criteria.ts";
import type { Pattern } from "../prune/pattern.ts";
import { checkPattern, checkProfile, checkShape, extentOf } from "./arguments.ts";
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

const OPTIONS: readonly (keyof ReferenceOptions)[] = [
  "pattern",
  "targetSparsity",
  "scope",
  "criterion",
  "scoreReduction",
  "profile",
  "least",
  "most",
];

function checkLayers(layers: readonly ReferenceLayer[]): void {
  checkRecords("layers", layers, "shape", "data");
  for (const [i, { shape, data, gradient = null }] of layers.entries()) {
    checkShape(`layers[${i}].shape`, shape);
    checkFloat32Array(`layers[${i}].data`, data, extentOf(shape));
    if (gradient !== null) checkFloat32Array(`layers[${i}].gradient`, gradient, data.length);
  }
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
  checkLayers(layers);
  checkOptions("options", options, OPTIONS);
  const { pattern, profile, scope, criterion, scoreReduction, targetSparsity } = options;
  checkPattern(pattern);
  const { least = 0, most = pattern.kind === "group" ? pattern.prune / pattern.of : 1 } = options;
  checkNumber("targetSparsity", targetSparsity, 0, 1);
  checkOneOf("scope", scope, ["global", "local"]);
  checkOneOf("criterion", criterion, ["magnitude", "gradient", "snip", "snip_momentum"]);
  checkOneOf("scoreReduction", scoreReduction, ["mean", "sum", "max"]);
  checkProfile(profile);
  checkNumber("least", least, 0);
  checkNumber("most", most, 0);
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
