/**
 * Statistics of a layer's inputs on calibration data: the Hessian of the layer's squared error (INC:
 * `SparseGPT.add_batch`), and norms, sums and variances of the features (INC: `WrappedGPT.add_batch`). They are plain
 * data. Statistics of different batches or machines can be merged.
 */
import {
  checkFinite,
  checkFloat32Array,
  checkFunction,
  checkInteger,
  checkKind,
  checkObject,
  checkOptions,
  mismatch,
} from "../core/checks.ts";
import type { Profile } from "../prune/config.ts";
import { type GramInto, gramInto } from "./gram.ts";
import { checkProfile } from "./profile.ts";

/** The inputs of a layer for one batch of calibration data. */
export interface CalibrationBatch {
  /** The input features of all tokens, row-major [tokens, columns]. */
  readonly data: Float32Array;
  /** The number of sequences to which the tokens belong. */
  readonly samples: number;
}

/**
 * Statistics of a layer's inputs. Those that are null were not computed. Arrays have one entry per input feature
 * (column of the weight), except the Hessian. Means are over sequences: sums over all tokens, divided by `samples`.
 */
export interface LayerStatistics {
  /** How variances of several batches are combined; see {@link createStatistics}. */
  readonly profile: Profile;
  /** The number of input features. */
  readonly columns: number;
  /** The number of sequences. */
  readonly samples: number;
  /** The number of tokens; null if it is not known. */
  readonly tokens: number | null;
  /** 2 X'X / samples, symmetric [columns, columns], without damping (INC: `H`). */
  readonly hessian: Float32Array | null;
  /** The mean squared norm of each feature (INC: `scaler_row`). */
  readonly squaredNorms: Float32Array | null;
  /** The mean sum of each feature (INC: `sum_metric_row`). */
  readonly sums: Float32Array | null;
  /** The variance of each feature over tokens (INC: `var`). */
  readonly variances: Float32Array | null;
}

/**
 * Creates the statistics of no data, for {@link addBatch}.
 *
 * The profiles differ in the variances of several batches. `strict` computes the variance over all tokens. `inc`
 * averages the variances within each batch, weighted by tokens, which depends on how tokens are divided into batches.
 *
 * @param columns the number of input features.
 * @param options `hessian`: whether to compute the Hessian, which only SparseGPT needs, in columns^2 floats of memory;
 *   default true. `profile`: default `strict`.
 * @throws TypeError or RangeError if an argument is invalid.
 *
 * @example
 * ```ts
 * import { createStatistics } from "espalier/calibrate";
 *
 * const { samples, hessian } = createStatistics(768, { hessian: false });
 * if (samples !== 0 || hessian !== null) throw new Error();
 * ```
 */
export function createStatistics(
  columns: number,
  options: { readonly hessian?: boolean; readonly profile?: Profile } = {},
): LayerStatistics {
  checkInteger("columns", columns, 1, 2 ** 15);
  checkOptions("options", options, ["hessian", "profile"]);
  const { hessian = true, profile = "strict" } = options;
  checkKind(typeof hessian === "boolean", "hessian", "a boolean", hessian);
  checkProfile("profile", profile);
  return {
    profile,
    columns,
    samples: 0,
    tokens: 0,
    hessian: hessian ? new Float32Array(columns * columns) : null,
    squaredNorms: new Float32Array(columns),
    sums: new Float32Array(columns),
    variances: new Float32Array(columns),
  };
}

const PARTS = ["hessian", "squaredNorms", "sums", "variances"] as const;

/** The expected length of a part of statistics. */
function partLength(part: (typeof PARTS)[number], columns: number): number {
  return part === "hessian" ? columns * columns : columns;
}

/** Checks the counts of statistics, and the lengths and values of their arrays. */
export function checkStatistics(name: string, statistics: LayerStatistics): void {
  checkObject(name, statistics, "columns", "samples");
  const { profile, columns, samples, tokens, hessian } = statistics;
  checkProfile(`${name}.profile`, profile);
  checkInteger(`${name}.columns`, columns, 1, 2 ** 15);
  checkInteger(`${name}.samples`, samples);
  if (tokens !== null) checkInteger(`${name}.tokens`, tokens);
  for (const part of PARTS) {
    const values = statistics[part];
    if (values === null) continue;
    const label = `${name}.${part}`;
    checkFloat32Array(label, values, partLength(part, columns));
    checkFinite(label, values);
    if (part === "squaredNorms" || part === "variances") checkNotNegative(label, values, 1);
  }
  if (hessian !== null) checkNotNegative(`${name}.hessian`, hessian, columns + 1);
}

function checkNotNegative(name: string, values: Float32Array, stride: number): void {
  for (let i = 0; i < values.length; i += stride)
    if (values[i] < 0)
      throw new RangeError(mismatch(`${name}[${i}]`, "a number of at least 0", values[i]));
}

function checkBatch({ columns }: LayerStatistics, batch: CalibrationBatch): number {
  checkObject("batch", batch, "data", "samples");
  const { data, samples } = batch;
  checkFloat32Array("batch.data", data);
  checkFinite("batch.data", data);
  checkInteger("batch.samples", samples, 1);
  const tokens = data.length / columns;
  if (!Number.isInteger(tokens) || tokens < 1)
    throw new RangeError(
      mismatch("batch.data", `a multiple of ${columns} elements, one row per token`, data.length),
    );
  return tokens;
}

/**
 * Adds a batch to statistics, which are not changed.
 *
 * Arithmetic follows INC: state in float32, factors in double precision and then rounded.
 *
 * @param gram computes X'X for the Hessian, such as a compiled kernel. Default: loops in double precision.
 * @throws TypeError or RangeError if an argument is invalid, or the batch holds a number that is not finite.
 *
 * @example
 * ```ts
 * import { addBatch, createStatistics } from "espalier/calibrate";
 *
 * // One sequence of two tokens with two features.
 * const batch = { data: Float32Array.of(1, 2, 3, 4), samples: 1 };
 * const { hessian, squaredNorms } = addBatch(createStatistics(2), batch);
 * if (Math.abs((hessian?.[1] ?? 0) - 28) > 1e-4) throw new Error();
 * if (squaredNorms?.join() !== "10,20") throw new Error();
 * ```
 */
export function addBatch(
  statistics: LayerStatistics,
  batch: CalibrationBatch,
  gram: GramInto = gramInto,
): LayerStatistics {
  checkStatistics("statistics", statistics);
  checkFunction("gram", gram);
  const copy = (values: Float32Array | null): Float32Array | null => values?.slice() ?? null;
  const { hessian, squaredNorms, sums, variances } = statistics;
  const state = {
    ...statistics,
    hessian: copy(hessian),
    squaredNorms: copy(squaredNorms),
    sums: copy(sums),
    variances: copy(variances),
  };
  return addBatchInto(state, batch, gram);
}

/** {@link addBatch} that writes into the arrays of `statistics`, which must not be used afterwards. */
export function addBatchInto(
  statistics: LayerStatistics,
  batch: CalibrationBatch,
  gram: GramInto = gramInto,
): LayerStatistics {
  checkObject("statistics", statistics, "columns", "samples");
  checkFunction("gram", gram);
  const newTokens = checkBatch(statistics, batch);
  const { hessian, squaredNorms, sums, columns } = statistics;
  const samples = statistics.samples + batch.samples;
  const kept = Math.fround(statistics.samples / samples);
  if (hessian !== null) addProductsInto(hessian, batch.data, columns, kept, samples, gram);
  const { norms, totals, deviations } = featuresOf(batch.data, columns);
  const mean = totals.map((total) => total / newTokens);
  addVariancesInto(statistics, mean, deviations, newTokens);
  for (let i = 0; i < columns; i++) {
    if (squaredNorms !== null) {
      const norm = Math.fround(Math.sqrt(norms[i]));
      const share = Math.fround(Math.fround(norm * norm) / samples);
      squaredNorms[i] = Math.fround(squaredNorms[i] * kept) + share;
    }
    if (sums !== null)
      sums[i] = Math.fround(sums[i] * kept) + Math.fround(Math.fround(totals[i]) / samples);
  }
  const tokens = statistics.tokens === null ? null : statistics.tokens + newTokens;
  return { ...statistics, samples, tokens };
}

/** H = H kept + X'X with X = sqrt(2 / samples) x. */
function addProductsInto(
  hessian: Float32Array,
  data: Float32Array,
  columns: number,
  kept: number,
  samples: number,
  gram: GramInto,
): void {
  const scale = Math.fround(Math.sqrt(2 / samples));
  const products = new Float32Array(columns * columns);
  gram(
    data.map((x) => x * scale),
    columns,
    products,
  );
  for (let i = 0; i < hessian.length; i++)
    hessian[i] = Math.fround(hessian[i] * kept) + products[i];
}

/** Sums of squares, sums, and sums of squared deviations from the mean, for each feature in double precision. */
function featuresOf(
  data: Float32Array,
  columns: number,
): { norms: Float64Array; totals: Float64Array; deviations: Float64Array } {
  const norms = new Float64Array(columns);
  const totals = new Float64Array(columns);
  const deviations = new Float64Array(columns);
  for (let row = 0; row < data.length; row += columns)
    for (let i = 0; i < columns; i++) {
      const x = data[row + i];
      norms[i] += x * x;
      totals[i] += x;
    }
  const tokens = data.length / columns;
  for (let row = 0; row < data.length; row += columns)
    for (let i = 0; i < columns; i++) deviations[i] += (data[row + i] - totals[i] / tokens) ** 2;
  return { norms, totals, deviations };
}

/** Adds the variances of a batch to `statistics.variances`, before the sums of the batch are added. */
function addVariancesInto(
  { variances, sums, samples, tokens, profile }: LayerStatistics,
  mean: Float64Array,
  deviations: Float64Array,
  newTokens: number,
): void {
  if (variances === null || tokens === null) return;
  const all = tokens + newTokens;
  for (let i = 0; i < variances.length; i++) {
    const between =
      profile === "inc" || sums === null || tokens === 0
        ? 0
        : (((sums[i] * samples) / tokens - mean[i]) ** 2 * tokens * newTokens) / all;
    variances[i] = (variances[i] * tokens + deviations[i] + between) / all;
  }
}

/**
 * Merges statistics of different data, such as those of several machines. The result is that of one pass over all
 * batches, apart from rounding. A part that either lacks is null.
 *
 * @throws TypeError or RangeError if an argument is invalid, or the two differ in columns or profile.
 *
 * @example
 * ```ts
 * import { addBatch, createStatistics, mergeStatistics } from "espalier/calibrate";
 *
 * const [one, two] = [[1, 2], [3, 4]].map((token) =>
 *   addBatch(createStatistics(2), { data: Float32Array.from(token), samples: 1 }),
 * );
 * if (one === undefined || two === undefined) throw new Error();
 * if (mergeStatistics(one, two).squaredNorms?.join() !== "5,10") throw new Error();
 * ```
 */
export function mergeStatistics(a: LayerStatistics, b: LayerStatistics): LayerStatistics {
  checkStatistics("a", a);
  checkStatistics("b", b);
  for (const key of ["columns", "profile"] as const)
    if (a[key] !== b[key]) throw new RangeError(mismatch(`b.${key}`, `${a[key]} as in a`, b[key]));
  const samples = a.samples + b.samples;
  const mean = (part: "hessian" | "squaredNorms" | "sums"): Float32Array | null => {
    const [first, second] = [a[part], b[part]];
    if (first === null || second === null) return null;
    if (samples === 0) return first.slice();
    return first.map((x, i) => (x * a.samples + second[i] * b.samples) / samples);
  };
  return {
    profile: a.profile,
    columns: a.columns,
    samples,
    tokens: a.tokens === null || b.tokens === null ? null : a.tokens + b.tokens,
    hessian: mean("hessian"),
    squaredNorms: mean("squaredNorms"),
    sums: mean("sums"),
    variances: mergedVariances(a, b),
  };
}

function mergedVariances(a: LayerStatistics, b: LayerStatistics): Float32Array | null {
  const { variances, sums, tokens } = b;
  if (a.variances === null || variances === null || a.tokens === null || tokens === null)
    return null;
  const merged = a.variances.slice();
  if (tokens === 0) return merged;
  const pooled = a.profile === "inc" || a.tokens === 0;
  if (!pooled && (a.sums === null || sums === null)) return null;
  const mean = Float64Array.from(variances, (_, i) => ((sums?.[i] ?? 0) * b.samples) / tokens);
  const deviations = Float64Array.from(variances, (variance) => variance * tokens);
  addVariancesInto({ ...a, variances: merged }, mean, deviations, tokens);
  return merged;
}
