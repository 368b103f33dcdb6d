/** Finds the evaluation rows that a model predicts worst. */
import { sumOf } from "../core/sum.ts";
import { type OutputMeaning, type Prediction, predictionOf } from "./prediction.ts";

/** A row with a wrong prediction. Label and prediction are texts. */
export interface FoundError {
  /** The index of the row. */
  readonly row: number;
  readonly label: string;
  readonly predicted: string;
  /** How wrong the prediction is. */
  readonly degree: string;
}

/**
 * Returns at most `count` rows with wrong predictions, worst first: by the loss of the row for labels, by the distance
 * for values. Of equal ones, the first row comes first.
 *
 * @param logits [rows, outputs]
 * @param labels one number for each row, or [rows, outputs]
 */
export function largestErrors(
  meaning: OutputMeaning,
  logits: Float32Array,
  labels: Float64Array,
  count: number,
): readonly FoundError[] {
  const outputs = meaning.names.length;
  const width = (labels.length * outputs) / logits.length;
  const judged = Array.from({ length: logits.length / outputs }, (_, row) => {
    const own = labels.subarray(row * width, (row + 1) * width);
    return { row, ...judge(meaning, predictionAt(meaning, logits, row), own) };
  });
  return judged
    .filter(({ size }) => size > 0)
    .toSorted((a, b) => b.size - a.size || a.row - b.row)
    .slice(0, count)
    .map(({ size: _, ...error }) => error);
}

/** Returns the prediction of a row as text. */
export function predictionText(meaning: OutputMeaning, logits: Float32Array, row: number): string {
  return textOf(predictionAt(meaning, logits, row));
}

function predictionAt(meaning: OutputMeaning, logits: Float32Array, row: number): Prediction {
  const outputs = meaning.names.length;
  return predictionOf(meaning, logits.subarray(row * outputs, (row + 1) * outputs));
}

/** Compares a prediction with its label. `size` is 0 if the prediction is right. */
function judge(
  { names }: OutputMeaning,
  prediction: Prediction,
  labels: Float64Array,
): Omit<FoundError, "row"> & { readonly size: number } {
  const predicted = textOf(prediction);
  switch (prediction.problemType) {
    case "single_label_classification": {
      const { id, probabilities } = prediction;
      const label = labels[0] ?? 0;
      const degree = `${percent(probabilities[id])}, the label ${percent(probabilities[label])}`;
      const size = id === label ? 0 : -Math.log(Math.max(probabilities[label] ?? 0, 1e-30));
      return { label: names[label] ?? String(label), predicted, degree, size };
    }
    case "multi_label_classification": {
      const own = names.filter((_, i) => labels[i] === 1);
      const isRight = own.join("\n") === prediction.labels.join("\n");
      const losses = prediction.probabilities.map((share, i) => {
        return -Math.log(Math.max(labels[i] === 1 ? share : 1 - share, 1e-30));
      });
      const loss = sumOf(losses, (each) => each) / losses.length;
      const degree = `loss ${loss.toFixed(2)}`;
      return { label: listed(own), predicted, degree, size: isRight ? 0 : loss };
    }
    case "regression": {
      const distances = prediction.values.map((value, i) => Math.abs(value - (labels[i] ?? 0)));
      const size = Math.max(...distances);
      const label = Array.from(labels, formatValue).join(", ");
      return { label, predicted, degree: `off by ${formatValue(size)}`, size };
    }
    default:
      return prediction satisfies never;
  }
}

function textOf(prediction: Prediction): string {
  switch (prediction.problemType) {
    case "single_label_classification":
      return prediction.label;
    case "multi_label_classification":
      return listed(prediction.labels);
    case "regression":
      return prediction.values.map(formatValue).join(", ");
    default:
      return prediction satisfies never;
  }
}

function listed(labels: readonly string[]): string {
  return labels.length === 0 ? "none" : labels.join(", ");
}

function formatValue(value: number): string {
  return String(Number(value.toFixed(2)));
}

function percent(share: number = 0): string {
  return `${(100 * share).toFixed(0)} %`;
}
