/** Prunes one layer from calibration statistics, by the criterion and the profile of the options. */
import { mismatch } from "../core/checks.ts";
import type { Profile } from "../prune/config.ts";
import { exactCount } from "../prune/exact.ts";
import { refusePruning } from "../prune/layer.ts";
import { lowest } from "./choose.ts";
import { incSwapInto } from "./dsnot.ts";
import { swapRowsInto } from "./dsnot-rows.ts";
import { factorHessian } from "./factor.ts";
import {
  asStored,
  type CalibratedLayer,
  checkLayer,
  matrixOf,
  type WeightMatrix,
} from "./layer.ts";
import { type CalibratedOptions, type CalibratedRule, readOptions } from "./options.ts";
import { sparseGptInto } from "./sparsegpt.ts";
import { checkStatistics, type LayerStatistics } from "./statistics.ts";
import { topKLowest } from "./top-k.ts";
import { groupMasks, incCount, incGroupMasks, rowMasks, wandaMetric } from "./wanda.ts";
import { incVariantMasks, variantMasks } from "./wanda-variant.ts";

/** The result of {@link pruneCalibrated}. */
export interface CalibratedWeight {
  readonly profile: Profile;
  /** The pruned weight, in the layout of the layer. SparseGPT changes kept weights too. */
  readonly data: Float32Array;
  /** 1 for each kept and 0 for each pruned element, in the layout of the layer. */
  readonly mask: Uint8Array;
  /**
   * SparseGPT's error on the calibration data: tr(D H D') for the change D of the weight and the damped Hessian H. Null
   * for the other criteria.
   */
  readonly error: number | null;
  /** The number that SparseGPT added to the diagonal of the Hessian; null for the other criteria. */
  readonly damping: number | null;
  /** The share of each row's summed metric that Wanda's variant prunes; null for all else. */
  readonly alpha: number | null;
}

/** Masks from a metric, in the layout [out, in]. */
interface Masked {
  readonly mask: Uint8Array;
  readonly alpha: number | null;
}

/** Returns a part of the statistics. @throws RangeError if it is null. */
function statistic(
  statistics: LayerStatistics,
  part: "hessian" | "squaredNorms" | "sums" | "variances",
  criterion: string,
): Float32Array {
  const values = statistics[part];
  if (values === null)
    throw new RangeError(mismatch(`statistics.${part}`, `values for ${criterion}`, "null"));
  return values;
}

function rowsOfMetric(
  metric: Float32Array,
  columns: number,
  { criterion, profile, pattern, targetSparsity }: CalibratedRule,
): Uint8Array {
  if (pattern.kind === "group")
    return profile === "inc"
      ? incGroupMasks(metric, columns, pattern, criterion === "wanda" ? topKLowest : lowest)
      : groupMasks(metric, columns, pattern, targetSparsity);
  const count = profile === "inc" ? incCount : exactCount;
  return rowMasks(metric, columns, count(columns, targetSparsity));
}

function wandaMasks(
  matrix: WeightMatrix,
  statistics: LayerStatistics,
  rule: Extract<CalibratedRule, { criterion: "wanda" }>,
): Masked {
  const { columns } = matrix;
  const metric = wandaMetric(matrix, statistic(statistics, "squaredNorms", "wanda"));
  if (!rule.variant || rule.pattern.kind === "group")
    return { mask: rowsOfMetric(metric, columns, rule), alpha: null };
  const masks = rule.profile === "inc" ? incVariantMasks : variantMasks;
  return masks(metric, columns, rule.targetSparsity);
}

function dsnotMasks(
  layer: CalibratedLayer,
  matrix: WeightMatrix,
  statistics: LayerStatistics,
  rule: Extract<CalibratedRule, { criterion: "dsnot" }>,
): Masked {
  const inputs = {
    squaredNorms: statistic(statistics, "squaredNorms", "dsnot"),
    sums: statistic(statistics, "sums", "dsnot"),
    variances: statistic(statistics, "variances", "dsnot"),
  };
  const metric = initialMetric(matrix, inputs.squaredNorms, rule);
  const mask = rowsOfMetric(metric, matrix.columns, rule);
  // INC takes every weight as it is stored for [out, in], except for the initial metric.
  if (rule.profile === "inc")
    incSwapInto(mask, { ...matrix, data: layer.data }, inputs, rule, metric);
  else swapRowsInto(mask, matrix, inputs, rule);
  return { mask, alpha: null };
}

function initialMetric(
  matrix: WeightMatrix,
  squaredNorms: Float32Array,
  { initialMetric: metric }: Extract<CalibratedRule, { criterion: "dsnot" }>,
): Float32Array {
  if (metric === "wanda") return wandaMetric(matrix, squaredNorms);
  if (metric === "magnitude") return matrix.data.map(Math.abs);
  if (metric.length === matrix.data.length) return metric;
  const got = `${metric.length} elements`;
  throw new RangeError(mismatch("options.initialMetric", `${matrix.data.length} elements`, got));
}

/** Refuses a pattern that does not divide the layer, as far as the profile does. */
function checkColumns(columns: number, rule: CalibratedRule): void {
  const { pattern, profile } = rule;
  if (pattern.kind === "element") return;
  const { prune, of } = pattern;
  // INC's groups start again at every block, and the last one of a block may be short.
  const block = profile === "inc" && rule.criterion === "sparsegpt" ? rule.blockSize : columns;
  const rests = [Math.min(block, columns) % of, (columns % block) % of];
  const isShort = (rest: number): boolean =>
    profile === "inc" ? rest > 0 && rest < prune : rest > 0;
  if (rests.some(isShort))
    refusePruning(
      "indivisible-shape",
      "layer",
      `columns that ${prune}:${of} divides`,
      `${columns}, which leave an incomplete group`,
    );
}

/** INC's DSnoT multiplies a weight as it is stored by statistics of its inputs, which fails on [in, out]. */
function checkStorage({ shape, inputsFirst }: CalibratedLayer, rule: CalibratedRule): void {
  const [inputs, outputs] = shape;
  if (!inputsFirst || rule.criterion !== "dsnot" || rule.profile !== "inc" || inputs === outputs)
    return;
  refusePruning(
    "unsupported-combination",
    "layer.inputsFirst",
    "false for dsnot in the profile inc",
    `true, with ${inputs} inputs and ${outputs} outputs`,
  );
}

/** Refuses a Hessian without damping that cannot have full rank. */
function checkRank({ tokens, columns, hessian }: LayerStatistics, damping: number): void {
  if (damping > 0 || tokens === null || hessian === null) return;
  let alive = 0;
  for (let i = 0; i < columns; i++) alive += Number(hessian[i * (columns + 1)] !== 0);
  if (tokens < alive)
    refusePruning(
      "invalid-statistics",
      "options.damping",
      `more than 0 for fewer tokens than the ${alive} columns`,
      `0 for ${tokens} tokens`,
    );
}

/**
 * Prunes a layer, whose data are not changed. Works on one weight as a matrix [out, in], whatever the layout in which
 * it is stored. In `inc`, masks equal INC's bit for bit, except if scores differ by less than the rounding of their
 * sums.
 *
 * With damping, SparseGPT accepts fewer tokens than columns: the damping then alone makes the Hessian positive definite.
 *
 * @throws TypeError or RangeError if an argument is invalid, PruningError if the layer cannot be pruned with these
 *   options or statistics.
 *
 * @example
 * ```ts
 * import { addBatch, createStatistics, pruneCalibrated } from "espalier/calibrate";
 *
 * const layer = { shape: [1, 4], data: Float32Array.of(1, 2, 3, 4) };
 * const inputs = { data: Float32Array.of(9, 1, 1, 1, 0, 1, 0, 1), samples: 1 };
 * const statistics = addBatch(createStatistics(4), inputs);
 * const { data } = pruneCalibrated(layer, statistics, { criterion: "wanda", pattern: "2:4" });
 * // The first feature is large, so the smallest weight is kept.
 * if (data.join() !== "1,0,0,4") throw new Error(data.join());
 * ```
 */
export function pruneCalibrated(
  layer: CalibratedLayer,
  statistics: LayerStatistics,
  options: CalibratedOptions,
): CalibratedWeight {
  checkLayer(layer);
  checkStatistics("statistics", statistics);
  const rule = readOptions(options);
  const matrix = matrixOf(layer);
  const { columns } = matrix;
  if (statistics.columns !== columns)
    refusePruning(
      "layer-mismatch",
      "statistics.columns",
      `${columns}, the inputs of the layer`,
      statistics.columns,
    );
  checkColumns(columns, rule);
  checkStorage(layer, rule);
  const { profile } = rule;
  if (rule.criterion === "sparsegpt") {
    const hessian = statistic(statistics, "hessian", "sparsegpt");
    checkRank(statistics, rule.damping);
    const factor = factorHessian("statistics.hessian", hessian, columns, rule.damping);
    const { weight, mask, error } = sparseGptInto(matrix, factor, rule);
    const result = { data: asStored(weight, layer), mask: asStored(mask, layer) };
    return { profile, ...result, error, damping: factor.damping, alpha: null };
  }
  const { mask, alpha } =
    rule.criterion === "wanda"
      ? wandaMasks(matrix, statistics, rule)
      : dsnotMasks(layer, matrix, statistics, rule);
  const data = matrix.data.map((w, i) => (mask[i] === 0 ? 0 : w));
  const result = { data: asStored(data, layer), mask: asStored(mask, layer) };
  return { profile, ...result, error: null, damping: null, alpha };
}
