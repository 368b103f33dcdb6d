/** The answers to texts that are classified one by one. */
import type { TextRow } from "../io/rows/row-reader.ts";
import { type OutputMeaning, predictionOf } from "./prediction.ts";

/** What a model says about a text. */
export interface Answer {
  readonly text: string;
  readonly textPair?: string;
  /** The predicted label; null for regression and for several labels. */
  readonly answer: string | null;
  /** The id of the predicted label; null for several labels. */
  readonly class: number | null;
  /** The predicted labels, if a text may have several. */
  readonly labels?: readonly string[];
  /** The probability of each label; null for regression. */
  readonly probabilities: readonly number[] | null;
  readonly logits: readonly number[];
}

/** Turns the logits of a text into an answer. */
export function answerOf(
  meaning: OutputMeaning,
  { text, textPair }: TextRow,
  logits: Float32Array,
  threshold?: number,
): Answer {
  const own = { text, ...(textPair !== null && { textPair }) };
  const prediction = predictionOf(meaning, logits, threshold);
  switch (prediction.problemType) {
    case "single_label_classification": {
      const { label: answer, id, probabilities } = prediction;
      return { ...own, answer, class: id, probabilities, logits: [...logits] };
    }
    case "multi_label_classification": {
      const { labels, probabilities } = prediction;
      return { ...own, answer: null, class: null, labels, probabilities, logits: [...logits] };
    }
    case "regression":
      return { ...own, answer: null, class: 0, probabilities: null, logits: [...logits] };
    default:
      return prediction satisfies never;
  }
}
