/**
 * Scores of attention heads (INC: `update_mha_scores`). The criterion scores the elements of all linear layers. In query,
 * key and value, the scores are reduced over inputs and then over a head's rows; in the output layer, over a head's columns
 * and then over rows. The sum of these numbers, divided by the number of layers, is the score of a head.
 */
import { roundToBfloat16 } from "../prune/accumulate.ts";
import type { ScoreReduction } from "../prune/config.ts";
import { CRITERIA, type ElementRule, scoresBlockMasks } from "../prune/criteria.ts";
import type { LayerRecord } from "../prune/layer.ts";
import { reduceColumnsInto, reduceNeighbours } from "../prune/reduce.ts";
import { elementScoresInto, mergeInto } from "../prune/score.ts";
import type { HeadScratch } from "./scratch.ts";
import type { HeadPrunerConfig, LiveAttention } from "./state.ts";

/** The criterion's rule. Criteria that score block masks are refused before the first step. */
function elementRule({ criterion }: HeadPrunerConfig): ElementRule | null {
  return scoresBlockMasks(criterion) ? null : CRITERIA[criterion];
}

/** Whether scores are rounded to bfloat16, which INC does only to scores that it accumulates. */
function isRounded(config: HeadPrunerConfig): boolean {
  return config.lowMemoryUsage && (elementRule(config)?.decay ?? null) !== null;
}

/** Updates the scores of all elements of an attention layer's linear layers from their weights and gradients. */
export function updateElementScoresInto(
  config: HeadPrunerConfig,
  attention: LiveAttention,
  records: readonly LayerRecord[],
  { row }: HeadScratch,
): void {
  const rule = elementRule(config);
  if (rule === null) return;
  attention.elementScores ??= records.map(({ data }) => new Float32Array(data.length));
  const { elementScores } = attention;
  records.forEach(({ data, gradient, shape: [rows = 0, columns = 0] }, i) => {
    for (let at = 0; at < rows * columns; at += columns) {
      elementScoresInto(rule, data, gradient ?? data, at, columns, row);
      mergeInto(rule.decay, config.lowMemoryUsage, row, columns, at, elementScores[i]);
    }
  });
}

/** Rounds the first `count` values to bfloat16. */
function roundInto(values: Float32Array, count: number): void {
  for (let i = 0; i < count; i++) values[i] = roundToBfloat16(values[i]);
}

/** Adds the scores of heads in a projection, whose rows belong to heads. */
function addRowScoresInto(
  reduction: ScoreReduction,
  rounded: boolean,
  elements: Float32Array,
  { shape: [rows = 0, columns = 0] }: LayerRecord,
  { line }: HeadScratch,
  out: Float32Array,
): void {
  const width = rows / out.length;
  for (let row = 0; row < rows; row++)
    line[row] = reduceNeighbours(reduction, elements, row * columns, columns);
  if (rounded) roundInto(line, rows);
  for (let head = 0; head < out.length; head++) {
    const score = reduceNeighbours(reduction, line, head * width, width);
    out[head] += rounded ? roundToBfloat16(score) : score;
  }
}

/** Adds the scores of heads in the output layer, whose columns belong to heads. */
function addColumnScoresInto(
  reduction: ScoreReduction,
  rounded: boolean,
  elements: Float32Array,
  { shape: [rows = 0, columns = 0] }: LayerRecord,
  { grid, line }: HeadScratch,
  out: Float32Array,
): void {
  const heads = out.length;
  const width = columns / heads;
  for (let i = 0; i < rows * heads; i++)
    grid[i] = reduceNeighbours(reduction, elements, i * width, width);
  if (rounded) roundInto(grid, rows * heads);
  reduceColumnsInto(reduction, grid, rows, heads, line);
  if (rounded) roundInto(line, heads);
  for (let head = 0; head < heads; head++) out[head] += line[head];
}

/** Computes one score per head from the scores of all elements. Does nothing if there are none yet. */
export function updateHeadScoresInto(
  config: HeadPrunerConfig,
  attention: LiveAttention,
  records: readonly LayerRecord[],
  scratch: HeadScratch,
): void {
  const { elementScores, heads } = attention;
  if (elementScores === null) return;
  const { scoreReduction } = config;
  const rounded = isRounded(config);
  attention.scores ??= new Float32Array(heads);
  const { scores } = attention;
  scores.fill(0);
  const last = records.length - 1;
  records.forEach((record, i) => {
    const addInto = i === last ? addColumnScoresInto : addRowScoresInto;
    addInto(scoreReduction, rounded, elementScores[i], record, scratch, scores);
  });
  for (let head = 0; head < heads; head++) scores[head] /= records.length;
}
