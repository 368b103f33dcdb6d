/** Turns logits into labels and probabilities, and writes them as CSV or JSON Lines. */
import type { ProblemType } from "../core/problem-type.ts";
import { sumOf } from "../core/sum.ts";
import { csvRecord } from "../io/rows/csv-record.ts";
import { logitThreshold } from "../train/metrics/multi-label.ts";

/** What the outputs of a model mean. */
export interface OutputMeaning {
  readonly problemType: ProblemType;
  /** The names of the outputs: classes, labels, or values of regression. */
  readonly names: readonly string[];
}

/** What a model says about a row. */
export type Prediction =
  | {
      readonly problemType: "single_label_classification";
      readonly id: number;
      readonly label: string;
      /** The probability of each class. Their sum is 1. */
      readonly probabilities: readonly number[];
    }
  | {
      readonly problemType: "multi_label_classification";
      /** The labels with a probability above the threshold. */
      readonly labels: readonly string[];
      /** The probability of each label. */
      readonly probabilities: readonly number[];
    }
  | { readonly problemType: "regression"; readonly values: readonly number[] };

/** Turns the logits of one row into a prediction. The first of several equal logits decides the class. */
export function predictionOf(
  { problemType, names }: OutputMeaning,
  logits: Float32Array,
  threshold: number = 0.5,
): Prediction {
  switch (problemType) {
    case "single_label_classification": {
      const id = logits.indexOf(Math.max(...logits));
      return { problemType, id, label: names[id] ?? String(id), probabilities: softmax(logits) };
    }
    case "multi_label_classification": {
      const least = logitThreshold(threshold);
      const probabilities = Array.from(logits, (logit) => 1 / (1 + Math.exp(-logit)));
      return {
        problemType,
        labels: names.filter((_, i) => (logits[i] ?? 0) > least),
        probabilities,
      };
    }
    case "regression":
      return { problemType, values: [...logits] };
    default:
      return problemType satisfies never;
  }
}

function softmax(logits: Float32Array): readonly number[] {
  const largest = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(logit - largest));
  const sum = sumOf(powers, (power) => power);
  return powers.map((power) => power / sum);
}

/** The forms in which predictions are written. */
export type PredictionForm = "csv" | "jsonl";

/** Returns the form that a file's name states; undefined for other endings. */
export function predictionForm(path: string): PredictionForm | undefined {
  if (/\.csv(\.gz)?$/i.test(path)) return "csv";
  return /\.jsonl(\.gz)?$/i.test(path) ? "jsonl" : undefined;
}

/** How predictions are written. */
export interface PredictionFormat {
  readonly meaning: OutputMeaning;
  /** Between the labels in a field of CSV. Without it, several labels are a list in JSON. */
  readonly labelSeparator?: string | undefined;
  /** Whether the line of each row is written first. */
  readonly withLines: boolean;
}

/** Returns the text before all predictions. */
export function predictionHeader(form: PredictionForm, format: PredictionFormat): string {
  if (form === "jsonl") return "";
  const { problemType, names } = format.meaning;
  const line = format.withLines ? ["line"] : [];
  const of = (what: string): readonly string[] => names.map((name) => `${what}_${name}`);
  switch (problemType) {
    case "single_label_classification":
      return csvRecord([...line, "label", ...of("probability")]);
    case "multi_label_classification":
      return csvRecord([...line, "labels", ...of("probability")]);
    case "regression":
      return csvRecord([...line, ...(names.length === 1 ? ["value"] : of("value"))]);
    default:
      return problemType satisfies never;
  }
}

/** Formats a prediction as a record of CSV or a line of JSON. */
export function formatPrediction(
  form: PredictionForm,
  format: PredictionFormat,
  prediction: Prediction,
  line: number,
): string {
  return form === "csv"
    ? csvRecord([
        ...(format.withLines ? [String(line)] : []),
        ...csvFields(prediction, format.labelSeparator),
      ])
    : `${JSON.stringify({ ...(format.withLines && { line }), ...jsonFields(prediction, format.meaning) })}\n`;
}

function csvFields(prediction: Prediction, separator: string | undefined): readonly string[] {
  const { problemType } = prediction;
  switch (problemType) {
    case "single_label_classification":
      return [prediction.label, ...prediction.probabilities.map((each) => String(rounded(each)))];
    case "multi_label_classification": {
      const { labels, probabilities } = prediction;
      const list = separator === undefined ? JSON.stringify(labels) : labels.join(separator);
      return [list, ...probabilities.map((each) => String(rounded(each)))];
    }
    case "regression":
      return prediction.values.map((value) => String(exact(value)));
    default:
      return problemType satisfies never;
  }
}

function jsonFields(prediction: Prediction, { names }: OutputMeaning): object {
  const { problemType } = prediction;
  const named = (values: readonly number[]) =>
    Object.fromEntries(values.map((value, i) => [names[i] ?? String(i), value]));
  switch (problemType) {
    case "single_label_classification": {
      const { label, probabilities } = prediction;
      return { label, probabilities: named(probabilities.map(rounded)) };
    }
    case "multi_label_classification": {
      const { labels, probabilities } = prediction;
      return { labels, probabilities: named(probabilities.map(rounded)) };
    }
    case "regression": {
      const [value = 0, ...others] = prediction.values.map(exact);
      return others.length === 0 ? { value } : { values: named([value, ...others]) };
    }
    default:
      return problemType satisfies never;
  }
}

/** Rounds a probability to the seven digits that float32 has. */
function rounded(probability: number): number {
  return Number(probability.toPrecision(7));
}

/** Returns the value of a float32 in nine digits, which identify it. */
function exact(value: number): number {
  return Number(value.toPrecision(9));
}
