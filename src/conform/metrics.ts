/** Replays `metrics.json`, which records metrics of scikit-learn and scipy. */
import { isJsonObject, type JsonValue, parseJson } from "../io/json.ts";
import { classificationMetrics } from "../train/metrics/classification.ts";
import { multiLabelMetrics } from "../train/metrics/multi-label.ts";
import { meanSquaredError, regressionMetrics } from "../train/metrics/regression.ts";
import { rocAuc } from "../train/metrics/roc-auc.ts";
import { at, CaseFileError, expectedError, type JsonObject, parsed } from "./case-files.ts";
import { compare, type Difference, firstOf } from "./difference.ts";
import { judge, type Verdict } from "./verdict.ts";

const ALLOWED = 1e-12;

/** Computed metrics keyed by their recorded names. */
type Metrics = Readonly<Record<string, JsonValue>>;

/** The metrics of each kind of row. */
const KINDS: Readonly<Record<string, (row: JsonObject) => Metrics>> = {
  classification: (row) => {
    const metrics = classificationMetrics(
      at.numbers(row, "labels"),
      at.numbers(row, "predictions"),
    );
    const { perClass, accuracy, confusion, matthews, binaryF1 } = metrics;
    return {
      accuracy,
      ...f1Of(metrics),
      ...(binaryF1 === null ? {} : { "f1.binary": binaryF1 }),
      classes: perClass.map(({ id }) => id),
      matthews_corrcoef: matthews,
      confusion_matrix: confusion,
    };
  },
  multi_label: (row) => {
    const labels = matrixAt(row, "labels");
    const predictions = matrixAt(row, "predictions");
    const metrics = multiLabelMetrics(labels.flat(), predictions.flat(), labels[0]?.length ?? 0);
    const { accuracy, samplesF1 } = metrics;
    return {
      accuracy,
      ...f1Of(metrics),
      ...(samplesF1 === null ? {} : { "f1.samples": samplesF1 }),
    };
  },
  regression: (row) => {
    const several = at.list(row, "labels").some(Array.isArray);
    if (several) {
      const error = meanSquaredError(
        matrixAt(row, "labels").flat(),
        matrixAt(row, "predictions").flat(),
      );
      return { mean_squared_error: error };
    }
    const metrics = regressionMetrics(at.numbers(row, "labels"), at.numbers(row, "predictions"));
    const { meanSquaredError: error, pearson, spearman } = metrics;
    // For nearly constant values, scipy's result depends on rounding.
    const isStable = row.name !== "nearly constant";
    return {
      mean_squared_error: error,
      ...(isStable ? { pearsonr: pearson } : {}),
      spearmanr: spearman,
    };
  },
  roc_auc: (row) => ({ roc_auc: rocAuc(at.numbers(row, "labels"), at.numbers(row, "scores")) }),
};

interface F1 {
  readonly macroF1: number;
  readonly microF1: number;
  readonly weightedF1: number;
  readonly perClass: readonly { readonly f1: number }[];
}

function f1Of({ macroF1, microF1, weightedF1, perClass }: F1): Metrics {
  return {
    "f1.macro": macroF1,
    "f1.micro": microF1,
    "f1.weighted": weightedF1,
    "f1.per_class": perClass.map(({ f1 }) => f1),
  };
}

/** Returns one verdict for each row, named `<source>:<row>`. Rows are numbered from 1. */
export function replayMetrics(source: string, json: string): readonly Verdict[] {
  const rows = parsed(source, parseJson(source, json));
  if (!Array.isArray(rows) || !rows.every(isJsonObject))
    throw new CaseFileError({ path: source, expected: "a list of objects", got: "another value" });
  return rows.map((row, index) =>
    judge("metrics", `${source}:${index + 1}`, () => metricsDifference(row)),
  );
}

function metricsDifference(row: JsonObject): Difference | undefined {
  const kind = at.text(row, "kind");
  const metrics = Object.hasOwn(KINDS, kind) ? KINDS[kind]?.(row) : undefined;
  if (metrics === undefined) throw new Error(`kind: expected a known kind, got ${kind}`);
  const name = at.text(row, "name");
  return firstOf(Object.entries(metrics), ([metric, got]) =>
    compareMetric(`${name} ${metric}`, valueAt(row, metric), got),
  );
}

/** Compares a number or null, a list, or a matrix. */
function compareMetric(where: string, expected: JsonValue, got: JsonValue): Difference | undefined {
  if (typeof expected === "number" && typeof got === "number")
    return compare(where, expected, got, { absolute: ALLOWED, relative: ALLOWED });
  if (!Array.isArray(expected) || !Array.isArray(got))
    return compare(where, stated(expected), stated(got));
  return (
    compare(`${where} length`, expected.length, got.length) ??
    firstOf(expected.keys(), (index) =>
      compareMetric(`${where}[${index}]`, expected[index] ?? null, got[index] ?? null),
    )
  );
}

function stated(value: JsonValue): string | number | boolean | null {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : value;
}

/** Returns the value at a name such as `f1.macro`. */
function valueAt(row: JsonObject, metric: string): JsonValue {
  const [key = "", part] = metric.split(".");
  const value = part === undefined ? row[key] : at.object(row, key)[part];
  if (value === undefined) throw expectedError(metric, "a value", value);
  return value;
}

/** Reads a list of lists of numbers. */
function matrixAt(row: JsonObject, key: string): readonly (readonly number[])[] {
  return at
    .list(row, key)
    .map((_, index, lists) => at.numbers({ [key]: lists[index] ?? null }, key));
}
