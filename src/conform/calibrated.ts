/**
 * Replays calibrated vectors, which record SparseGPT, Wanda and DSnoT as Intel Neural Compressor runs them. Models are
 * not run: each layer is calibrated on its recorded inputs.
 */
import type { CalibratedLayer } from "../calibrate/layer.ts";
import { type CalibratedWeight, pruneCalibrated } from "../calibrate/prune.ts";
import type { LayerStatistics } from "../calibrate/statistics.ts";
import { bfloat16FromFloat32Bits, fromBfloat16 } from "../core/half.ts";
import type { Backend } from "../kernels/backend.ts";
import { countZeros } from "../prune/count.ts";
import { type CalibratedStep, startLayer, statisticsOf, stepsOf } from "./calibrated-case.ts";
import { failurePlace, refusedConfiguration } from "./calibrated-failure.ts";
import {
  at,
  type CaseFiles,
  type JsonObject,
  type OpenCase,
  openCase,
  tensorValues,
} from "./case-files.ts";
import { compare, type Difference, differenceAt, firstOf, type Tolerance } from "./difference.ts";
import { type Finding, judge, type Verdict } from "./verdict.ts";

/** About six times the largest difference between INC in float32 and in float64, of the tensor's largest value. */
const HESSIAN_TOLERANCE: Tolerance = { relative: 1e-5 };
const STATISTIC_TOLERANCE: Tolerance = { relative: 2e-6 };
const WEIGHT_TOLERANCE: Tolerance = { relative: 5e-5 };

/** The recorded names of statistics. */
const STATISTICS = [
  ["scaler_row", "squaredNorms"],
  ["sum_metric_row", "sums"],
  ["var", "variances"],
] as const;

/** Whether a `case.json` belongs to a calibrated vector. */
export function isCalibratedCase({ algorithm }: JsonObject): boolean {
  return algorithm === "sparsegpt" || algorithm === "wanda" || algorithm === "dsnot";
}

export function replayCalibrated(files: CaseFiles, backend: Backend): Verdict {
  return judge("calibrated", files.name, () => {
    const opened = openCase(files);
    const weights = new Map<string, CalibratedLayer>();
    const steps = stepsOf(opened);
    const place = failurePlace(opened.json);
    const failing = place === "layer" ? failingStep(opened, steps) : undefined;
    return (
      firstOf(steps, (step) =>
        step === failing ? undefined : stepDifference(opened, backend, step, weights),
      ) ??
      (failing && refusalDifference(opened, backend, failing, weights)) ??
      resultsDifference(opened, weights) ??
      remark(opened, steps, place)
    );
  });
}

/** The step that fails: the last one, or that of a layer on whose inputs INC fails, of which nothing is recorded. */
function failingStep(
  { json }: OpenCase,
  steps: readonly CalibratedStep[],
): CalibratedStep | undefined {
  const last = steps.at(-1);
  if (last && (json.algorithm !== "sparsegpt" || last.record.zeros === undefined)) return last;
  const hooked = Object.keys(at.object(json, "inputs"));
  const layer = hooked.findLast((name) => steps.every((step) => step.layer !== name));
  if (layer === undefined) return undefined;
  const options = [{ criterion: "sparsegpt", profile: "inc" }] as const;
  return { layer, earlier: 0, record: {}, inputs: [], options };
}

/** Compares the statistics of a step and its zeros, and keeps its weight in `weights`. */
function stepDifference(
  files: OpenCase,
  backend: Backend,
  step: CalibratedStep,
  weights: Map<string, CalibratedLayer>,
): Difference | undefined {
  const { layer, record } = step;
  const statistics = statisticsOf(files, backend, step);
  const wrong = statisticsDifference(files, step, statistics);
  if (wrong) return wrong;
  const before = weights.get(layer) ?? startLayer(files, layer);
  const results = prunedBy(files, before, statistics, step);
  const [first] = results;
  const last = results.at(-1);
  if (first === undefined || last === undefined) return undefined;
  const data = recordedForm(files, last);
  weights.set(layer, { ...before, data });
  const place = (quantity: string) => ({ layer, quantity });
  return (
    compare(place("zeros"), at.number(record, "zeros"), countZeros(data)) ??
    alphaDifference(step, first)
  );
}

/** Prunes a layer with the options of a step, each time from the weight before the step. */
function prunedBy(
  files: OpenCase,
  before: CalibratedLayer,
  statistics: LayerStatistics,
  { layer, options }: CalibratedStep,
): readonly CalibratedWeight[] {
  const metric = `metric/${layer}`;
  return options.map((one) =>
    pruneCalibrated(
      before,
      statistics,
      one.criterion === "dsnot" && files.tensors.has(metric)
        ? { ...one, initialMetric: tensorValues(files, metric) }
        : one,
    ),
  );
}

function alphaDifference(
  { layer, record }: CalibratedStep,
  { alpha, mask }: CalibratedWeight,
): Difference | undefined {
  if (record.alpha === undefined) return undefined;
  const place = (quantity: string) => ({ layer, quantity });
  const share = countZeros(mask) / mask.length;
  return (
    compare(place("alpha"), at.number(record, "alpha"), alpha ?? Number.NaN) ??
    compare(place("alpha_sparsity"), at.number(record, "alpha_sparsity"), share, {
      absolute: 2 ** -24,
    })
  );
}

function statisticsDifference(
  files: OpenCase,
  { layer, earlier, record }: CalibratedStep,
  statistics: LayerStatistics,
): Difference | undefined {
  const { json, tensors } = files;
  const key = earlier === 0 ? layer : `${layer}@${earlier}`;
  const { hessian, samples, tokens } = statistics;
  const place = (quantity: string) => ({ layer, quantity });
  const counts = { nsamples: samples, ntokens: tokens ?? 0 };
  const wrongCount = firstOf(Object.entries(counts), ([name, count]) =>
    record[name] === undefined ? undefined : compare(place(name), at.number(record, name), count),
  );
  if (wrongCount) return wrongCount;
  const hessians = json.hessians === undefined ? {} : at.object(json, "hessians");
  if (hessian !== null && (json.error === undefined || key in hessians)) {
    const expected = tensorValues(files, at.text(hessians, key));
    const wrong = compare(place(`H/${key}`), expected, hessian, HESSIAN_TOLERANCE);
    if (wrong) return wrong;
  }
  return firstOf(STATISTICS, ([name, part]) => {
    const tensor = `${name}/${layer}`;
    const isDue = name === "scaler_row" && json.algorithm === "wanda";
    if (!isDue && !tensors.has(tensor)) return undefined;
    const got = statistics[part] ?? [];
    return compare(place(name), tensorValues(files, tensor), got, STATISTIC_TOLERANCE);
  });
}

/** Compares the final weights and masks of all layers. Those that were never pruned must be as at the start. */
function resultsDifference(
  files: OpenCase,
  weights: ReadonlyMap<string, CalibratedLayer>,
): Difference | undefined {
  const recorded = [...files.tensors.keys()].flatMap((name) => {
    const layer = /^(?:w1|mask)\/(.*)$/.exec(name)?.[1];
    return layer === undefined ? [] : [layer];
  });
  // A failed case may lack the results of the layers before.
  const due = files.json.error === undefined ? [...weights.keys(), ...recorded] : recorded;
  return firstOf(new Set(due), (layer) => {
    const got = weights.get(layer) ?? startLayer(files, layer);
    return weightDifference(files, layer, got);
  });
}

function weightDifference(
  files: OpenCase,
  layer: string,
  { data }: CalibratedLayer,
): Difference | undefined {
  const kept = Uint8Array.from(data, (w) => Number(w !== 0));
  const place = (quantity: string) => ({ layer, quantity });
  const wrongMask = compare(place("mask"), tensorValues(files, `mask/${layer}`), kept);
  if (wrongMask || files.json.algorithm === "dsnot") return wrongMask;
  const name = `w1/${layer}`;
  const expected = files.tensors.has(name)
    ? tensorValues(files, name)
    : startLayer(files, layer).data;
  return compare(place("w1"), expected, data, weightTolerance(files, expected));
}

/** Wanda and DSnoT leave kept weights as they are. Bfloat16 may differ by one unit in the last place. */
function weightTolerance(
  files: OpenCase,
  expected: Float32Array,
): Tolerance | ((index: number) => number) | undefined {
  if (files.json.algorithm !== "sparsegpt") return undefined;
  if (!isBfloat16(files)) return WEIGHT_TOLERANCE;
  return (i) => 2 ** (Math.floor(Math.log2(Math.abs(expected[i]))) - 7);
}

/** What a vector records of a layer: its weight, or of the function `DSnoT` the mask, in which zeros may be kept. */
function recordedForm(files: OpenCase, { data, mask }: CalibratedWeight): Float32Array {
  if (files.json.api === "DSnoT") return Float32Array.from(mask);
  return isBfloat16(files) ? data.map(toBfloat16) : data;
}

function isBfloat16({ json }: OpenCase): boolean {
  return at.object(json, "model").dtype === "bfloat16";
}

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

function toBfloat16(value: number): number {
  float[0] = value;
  return fromBfloat16(bfloat16FromFloat32Bits(bits[0]));
}

/** Compares the statistics of a layer on which INC failed. The layer must be refused. */
function refusalDifference(
  files: OpenCase,
  backend: Backend,
  step: CalibratedStep,
  weights: ReadonlyMap<string, CalibratedLayer>,
): Difference | undefined {
  const { layer } = step;
  const statistics = statisticsOf(files, backend, step);
  const wrong = statisticsDifference(files, step, statistics);
  if (wrong) return wrong;
  try {
    prunedBy(files, weights.get(layer) ?? startLayer(files, layer), statistics, step);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
  return differenceAt({ layer, quantity: "layer" }, "refused", "pruned");
}

/** Compares a refused configuration, and says which cases show more than single layers. */
function remark(
  files: OpenCase,
  steps: readonly CalibratedStep[],
  place: ReturnType<typeof failurePlace>,
): Finding {
  const { json } = files;
  if (place === "configuration") return refusedConfiguration(json);
  const isAlone = steps.every(({ inputs }) => inputs.every((name) => name.startsWith("batch/")));
  if (place !== "module" && isAlone && steps.every(({ earlier }) => earlier === 0))
    return undefined;
  return { acceptable: `${steps.length} prunings of layers agree, with their recorded inputs` };
}
