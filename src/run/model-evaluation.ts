/** Evaluates a model on rows. */

import type { Problem } from "../core/either.ts";
import type { MetricName } from "../core/metric-names.ts";
import { METRIC_NAMES } from "../core/metric-names.ts";
import { labelsAbove } from "../train/metrics/multi-label.ts";
import {
  metricsOf,
  type NamedMetrics,
  namedMetrics,
  rangeOf,
} from "../train/metrics/named-metrics.ts";
import type { EvaluationRows } from "./evaluation-rows.ts";
import { type InferenceModel, type InferenceSettings, inferInWindows } from "./inference.ts";
import type { OutputMeaning } from "./prediction.ts";

export interface EvaluationSettings extends InferenceSettings {
  /** A label is predicted if its probability is above the threshold, for several labels a row. Default 0.5. */
  readonly threshold?: number | undefined;
}

/** Computes the metrics of a model on rows. */
export async function evaluateModel(
  model: InferenceModel,
  { problemType, names }: OutputMeaning,
  rows: EvaluationRows,
  { threshold, ...settings }: EvaluationSettings,
): Promise<NamedMetrics> {
  const outputs = names.length;
  const decide = (logits: Float32Array): ArrayLike<number> => {
    if (problemType === "regression") return logits;
    if (problemType === "multi_label_classification") return labelsAbove(logits, threshold);
    return largestOf(logits, outputs);
  };
  const predictions = rows.labels.slice();
  let done = 0;
  const placeOf = ({ line }: { readonly line: number }): string => `${rows.path}:${line}`;
  await inferInWindows(model, rows.pieces, settings, placeOf, (_, logits) => {
    const decided = decide(logits);
    predictions.set(decided, done);
    done += decided.length;
  });
  return namedMetrics(problemType, outputs, rows.labels, predictions, rows.positive);
}

/** The metrics of a model on rows, as plain data. */
export interface EvaluationDocument {
  readonly rows: number;
  /** The number of skipped rows by the kind of their problem. */
  readonly skipped: Readonly<Record<string, number>>;
  /** By the names in metrics.jsonl. Null for a correlation of constant values. */
  readonly metrics: Readonly<Record<string, number | null>>;
  /** The metrics of each label, and the number of its rows. Absent for regression. */
  readonly classes?: readonly {
    readonly label: string;
    readonly precision: number;
    readonly recall: number;
    readonly f1: number;
    readonly rows: number;
  }[];
  /** The number of rows by label and prediction, in the order of `labels`. Absent unless each row has one label. */
  readonly confusion?: {
    readonly labels: readonly string[];
    readonly counts: readonly (readonly number[])[];
  };
}

/** Returns metrics as plain data. */
export function evaluationDocument(
  { names }: Pick<OutputMeaning, "names">,
  { count, skipped }: Pick<EvaluationRows, "count" | "skipped">,
  { values, perClass, confusion }: NamedMetrics,
): EvaluationDocument {
  const labels = perClass.map(({ id }) => names[id] ?? String(id));
  return {
    rows: count,
    skipped: Object.fromEntries(skipped.counts),
    metrics: Object.fromEntries(
      [...values].map(([name, value]) => [METRIC_NAMES[name].key, value]),
    ),
    ...(perClass.length > 0 && {
      classes: perClass.map(({ precision, recall, f1, support }, i) => {
        return { label: labels[i] ?? "", precision, recall, f1, rows: support };
      }),
    }),
    ...(confusion !== null && { confusion: { labels, counts: confusion } }),
  };
}

/** Returns the class with the largest logit in each row. A tie goes to the lowest class. */
function largestOf(logits: Float32Array, classes: number): Int32Array {
  return Int32Array.from({ length: logits.length / classes }, (_, row) => {
    const own = logits.subarray(row * classes, (row + 1) * classes);
    return own.indexOf(Math.max(...own));
  });
}

/** The least value that a metric must have. */
export interface MetricBound {
  /** The name of the metric as it was given. */
  readonly name: string;
  readonly least: number;
}

export interface CheckedBound {
  readonly metric: MetricName;
  readonly least: number;
}

/** Returns the metric of each bound, or the problems of names that do not exist and values that no metric has. */
export function checkBounds(
  bounds: readonly MetricBound[],
  { problemType, names }: OutputMeaning,
): { readonly bounds: readonly CheckedBound[]; readonly problems: readonly Problem[] } {
  const metrics = metricsOf(problemType, names.length).filter((each) => rangeOf(each) !== null);
  const problems: Problem[] = [];
  const checked = bounds.flatMap(({ name, least }): readonly CheckedBound[] => {
    const metric = metrics.find((each) => METRIC_NAMES[each].key === name);
    const range = metric === undefined ? null : rangeOf(metric);
    if (metric === undefined || range === null) {
      const known = metrics.map((each) => METRIC_NAMES[each].key).join(", ");
      problems.push({ path: "`min`", expected: `one of the metrics ${known}`, got: name });
      return [];
    }
    if (least >= range[0] && least <= range[1]) return [{ metric, least }];
    const expected = `a value of ${name} from ${range[0]} to ${range[1]}`;
    problems.push({ path: "`min`", expected, got: String(least) });
    return [];
  });
  return { bounds: checked, problems };
}
