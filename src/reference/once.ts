/** One-shot pruning from the single stages. */
import type { Criterion, Profile, PruningScope, ScoreReduction } from "../prune/config.ts";
import type { Pattern } from "../prune/pattern.ts";
import { blockScores, expandBlocks } from "./blocks.ts";
import { blockMasks } from "./budget.ts";
import { expandGroups, groupScores, keptWithinGroups } from "./groups.ts";
import { type Matrix, maskInWeightOrder, weightMatrix } from "./matrix.ts";
import { elementScores } from "./score.ts";

/** A layer to prune: its weight, and its gradient where the criterion reads one. */
export interface ReferenceLayer {
  readonly shape: readonly number[];
  readonly data: Float32Array;
  readonly gradient?: Float32Array | null;
}

/** What to do. */
export interface ReferenceOptions {
  readonly pattern: Pattern;
  readonly targetSparsity: number;
  readonly scope: PruningScope;
  readonly criterion: Criterion;
  readonly scoreReduction: ScoreReduction;
  readonly profile: Profile;
}

/** Masks of the layers in the weights' own order: scores, their reduction, the budget, expansion. */
export function pruneOnceReference(
  layers: readonly ReferenceLayer[],
  options: ReferenceOptions,
): Uint8Array[] {
  const { pattern, profile, scope, criterion, scoreReduction, targetSparsity } = options;
  const scores = layers.map(({ data, gradient, shape }) =>
    elementScores(criterion, weightMatrix(data, shape), weightMatrix(gradient ?? data, shape)),
  );
  if (pattern.kind === "group") {
    const { prune, of } = pattern;
    const kept = scores.map((matrix) => keptWithinGroups(matrix, prune, of, profile));
    const reduced = scores.map((matrix, i) =>
      groupScores(matrix, kept[i] as (typeof kept)[number], of, scoreReduction),
    );
    return blockMasks(reduced, (targetSparsity * of) / prune, scope, profile).map((groups, i) =>
      maskInWeightOrder(
        expandGroups(groups, kept[i] as (typeof kept)[number], of),
        layers[i]?.shape ?? [],
      ),
    );
  }
  const sizes = layers.map(({ shape }) => blockSize(pattern, shape));
  const reduced = scores.map((matrix: Matrix, i) => {
    const [height, width] = sizes[i] ?? [1, 1];
    return blockScores(matrix, height, width, scoreReduction);
  });
  return blockMasks(reduced, targetSparsity, scope, profile).map((blocks, i) => {
    const [height, width] = sizes[i] ?? [1, 1];
    return maskInWeightOrder(expandBlocks(blocks, height, width), layers[i]?.shape ?? []);
  });
}

/** Height and width of a layer's blocks; `channel` is the extent of the weight's first or second axis. */
function blockSize(
  { height, width }: Extract<Pattern, { kind: "block" }>,
  shape: readonly number[],
): [number, number] {
  return [
    height === "channel" ? (shape[0] ?? 1) : height,
    width === "channel" ? (shape[1] ?? 1) : width,
  ];
}
