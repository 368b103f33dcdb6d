/**
 * Pruning of whole attention heads (INC: `pruners/mha.py`, `PatternMHA`). The criterion scores the elements of query, key,
 * value and output layer. A head owns equal parts of the rows of the first three, and of the columns of the last. In a
 * projection, its score is the mean over the rows of their means; in the output layer, the mean over the rows of the means
 * of its columns. The four scores are added and divided by four. `inc` prunes all heads up to the k-th lowest score, so ties
 * prune more, and k = 0 changes nothing; heads can come back. `strict` prunes exactly k heads: those pruned before, then the
 * lowest scores, of equal scores the earlier layer and then the lower index, as long as the layer may lose one more.
 */
import type { Profile, PrunerConfig } from "../prune/config.ts";
import { exactCount } from "./budget.ts";
import { ruleOf } from "./criteria.ts";
import { at, elements, type Matrix, mapped, matrixOf } from "./matrix.ts";
import { Refusal } from "./refusal.ts";
import { bfloat16, float32Sum } from "./rounding.ts";
import { plannedPruneSteps, pruneStepsOf, targetOf } from "./schedule.ts";
import { accumulatedScores, elementScores } from "./score.ts";

/** The weights of an attention layer: query, key and value, then the output layer, each [outputs, inputs]. */
export interface ReferenceAttention {
  readonly heads: number;
  readonly weights: readonly Matrix[];
}

/** An attention layer after a step. */
interface HeadMoment {
  readonly heads: number;
  readonly weights: readonly Matrix[];
  /** The scores of all elements; null before the first. */
  readonly elementScores: readonly Matrix[] | null;
  /** The scores from which the latest masks were chosen; null before the first. */
  readonly scores: readonly number[] | null;
  /** 1 for each kept and 0 for each pruned head. */
  readonly mask: readonly number[];
}

type Rounding = (value: number) => number;

function reduced(values: readonly number[], config: PrunerConfig, round: Rounding): number {
  if (config.scoreReduction === "max") return Math.max(...values);
  const sum = float32Sum(values);
  return round(config.scoreReduction === "mean" ? sum / values.length : sum);
}

function transposed(matrix: Matrix): Matrix {
  const [rows, columns] = matrix.shape;
  return matrixOf(columns, rows, (row, column) => at(matrix, column, row));
}

function rowOf(matrix: Matrix, row: number): number[] {
  return Array.from({ length: matrix.shape[1] }, (_, column) => at(matrix, row, column));
}

/** Returns one score for each head from the scores of the elements of all four layers. */
export function headScores(
  scored: readonly Matrix[],
  heads: number,
  config: PrunerConfig,
): number[] {
  const rounded = config.lowMemoryUsage && ruleOf(config.criterion).decay !== null;
  const round = rounded ? bfloat16 : Math.fround;
  const own = (values: readonly number[], head: number): readonly number[] => {
    const width = values.length / heads;
    return values.slice(head * width, (head + 1) * width);
  };
  const indices = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
  return indices(heads).map((head) => {
    const parts = scored.map((matrix, i) => {
      const rows = indices(matrix.shape[0]).map((row) => rowOf(matrix, row));
      const isOutput = i === scored.length - 1;
      const means = rows.map((row) => reduced(isOutput ? own(row, head) : row, config, round));
      return reduced(isOutput ? means : own(means, head), config, round);
    });
    return Math.fround(float32Sum(parts) / scored.length);
  });
}

interface Choice {
  readonly config: PrunerConfig;
  readonly profile: Profile;
  readonly minHeads: number;
  readonly ratio: number;
}

function incMasks(
  scores: readonly (readonly number[])[],
  before: readonly (readonly number[])[],
  ratio: number,
) {
  const sorted = scores.flat().sort((a, b) => a - b);
  const count = Math.trunc(sorted.length * ratio);
  if (count < 1) return before;
  return scores.map((own) => own.map((score) => Number(score > sorted[count - 1])));
}

function exactHeadMasks(
  scores: readonly (readonly number[])[],
  before: readonly (readonly number[])[],
  { config, minHeads, ratio }: Choice,
): readonly (readonly number[])[] {
  const masks = before.map((mask) => [...mask]);
  const lost = (layer: number): number => masks[layer].filter((bit) => bit === 0).length;
  const ranked = scores
    .flatMap((own, layer) => own.map((score, head) => ({ score, layer, head })))
    .sort((a, b) => a.score - b.score || a.layer - b.layer || a.head - b.head);
  const budget = exactCount(ranked.length, ratio);
  const most = scores.map(({ length }) =>
    Math.min(exactCount(length, config.maxSparsityRatioPerOp), length - minHeads),
  );
  const least = scores.map(({ length }, layer) =>
    Math.min(most[layer], exactCount(length, Math.min(config.minSparsityRatioPerOp, ratio))),
  );
  for (const limits of [least, most])
    for (const { layer, head } of ranked) {
      const total = masks.flat().filter((bit) => bit === 0).length;
      if (total < budget && lost(layer) < limits[layer]) masks[layer][head] = 0;
    }
  if (masks.flat().filter((bit) => bit === 0).length < budget)
    throw new Refusal("infeasible-budget", `no room for ${budget} heads`);
  return masks;
}

/** Returns the masks of all attention layers for a target ratio. */
export function headMasks(
  scores: readonly (readonly number[])[],
  before: readonly (readonly number[])[],
  choice: Choice,
): readonly (readonly number[])[] {
  const masks = (own: readonly (readonly number[])[], old: readonly (readonly number[])[]) =>
    choice.profile === "inc" ? incMasks(own, old, choice.ratio) : exactHeadMasks(own, old, choice);
  if (choice.config.pruningScope === "global") return masks(scores, before);
  return scores.flatMap((own, layer) => masks([own], [before[layer]]));
}

/** Zeroes the rows, or in the last weight the columns, of pruned heads. */
export function maskedWeights(weights: readonly Matrix[], mask: readonly number[]): Matrix[] {
  const ofRows = (matrix: Matrix): Matrix => {
    const [rows, columns] = matrix.shape;
    const width = rows / mask.length;
    return matrixOf(rows, columns, (row, column) =>
      mask[Math.floor(row / width)] === 0 ? 0 : at(matrix, row, column),
    );
  };
  return weights.map((matrix, i) =>
    i < weights.length - 1 ? ofRows(matrix) : transposed(ofRows(transposed(matrix))),
  );
}

interface HeadRun {
  readonly profile: Profile;
  readonly minHeads: number;
  readonly learningRate: number;
}

function scoredElements(
  { criterion, lowMemoryUsage }: PrunerConfig,
  { weights, elementScores: old }: HeadMoment,
  gradients: readonly Matrix[],
): readonly Matrix[] {
  const { decay } = ruleOf(criterion);
  return weights.map((weight, i) => {
    const fresh = elementScores(criterion, weight, gradients[i]);
    if (decay === null) return fresh;
    return accumulatedScores(old?.[i] ?? mapped(weight, () => 0), fresh, decay, lowMemoryUsage);
  });
}

/** Chooses and applies masks at a prune step. The criteria that read one gradient have no scores before it. */
function prunedMoments(
  config: PrunerConfig,
  moments: readonly HeadMoment[],
  ratio: number,
  { profile, minHeads }: HeadRun,
): readonly HeadMoment[] {
  const { readsGradients, decay } = ruleOf(config.criterion);
  const scored = moments.map((moment) => {
    const zeros = moment.weights.map((weight) => mapped(weight, () => 0));
    if (!readsGradients) return scoredElements(config, moment, zeros);
    return moment.elementScores ?? (decay === null ? null : zeros);
  });
  const all = scored.flatMap((own) => (own === null ? [] : [own]));
  if (all.length < moments.length) return moments;
  const scores = all.map((own, i) => headScores(own, moments[i].heads, config));
  const before = moments.map(({ mask }) => mask);
  const masks = headMasks(scores, before, { config, profile, minHeads, ratio });
  return moments.map((moment, i) => ({
    ...moment,
    elementScores: all[i],
    scores: scores[i],
    mask: masks[i],
    weights: maskedWeights(moment.weights, masks[i]),
  }));
}

/**
 * Prunes heads during gradient descent, and returns the attention layers after each step.
 *
 * @param gradients for each step and each attention layer the gradients of its weights.
 * @throws Refusal if the bounds do not allow the budget of a prune step.
 */
export function headTrajectory(
  config: PrunerConfig,
  attentions: readonly ReferenceAttention[],
  gradients: readonly (readonly (readonly Matrix[])[])[],
  run: HeadRun,
): readonly (readonly HeadMoment[])[] {
  const plan = plannedPruneSteps(config);
  const pruneSteps = new Set(pruneStepsOf(config));
  let { completed } = plan;
  let moments: readonly HeadMoment[] = attentions.map(({ heads, weights }) => ({
    heads,
    weights,
    elementScores: null,
    scores: null,
    mask: Array.from({ length: heads }, () => 1),
  }));
  return gradients.map((own, step) => {
    const bits = moments.flatMap(({ mask }) => mask);
    const share = bits.filter((bit) => bit === 0).length / bits.length;
    if (pruneSteps.has(step) && share <= config.targetSparsity) {
      const isLast = run.profile === "strict" && completed >= plan.total;
      const target = targetOf(config, completed, plan.total, 0);
      moments = prunedMoments(config, moments, isLast ? config.targetSparsity : target, run);
      completed++;
    }
    const rate = Math.fround(run.learningRate);
    moments = moments.map((moment, i) => {
      const descended = moment.weights.map((weight, at) => {
        const slope = elements(own[i][at]);
        return mapped(weight, (value, index) => value - Math.fround(rate * slope[index]));
      });
      const { readsGradients } = ruleOf(config.criterion);
      return {
        ...moment,
        elementScores: readsGradients
          ? scoredElements(config, moment, own[i])
          : moment.elementScores,
        weights: maskedWeights(descended, moment.mask),
      };
    });
    return moments;
  });
}
