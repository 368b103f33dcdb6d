/** Classifies texts with a loaded model: checks the texts, and turns logits into labels. */
import type { StopSignal } from "../core/abort.ts";
import { checkRecords, checkString } from "../core/checks.ts";
import { InputError } from "../core/either.ts";
import type { ProblemType } from "../core/problem-type.ts";
import { pairProblems } from "../experiment/model-fit.ts";
import type { TextRow } from "../io/rows/row-reader.ts";
import type { KernelVariant } from "../kernels/table.ts";
import type { ModelConfig } from "../model/config.ts";
import { answerOf } from "./classification.ts";
import type { OutputMeaning } from "./prediction.ts";
import { createTurn } from "./turn.ts";

/** A text to classify, or a pair of texts. */
export type ClassifierText =
  | string
  | { readonly text: string; readonly textPair?: string | undefined };

/** What a classifier says about a text. */
export interface Classification {
  /** The most probable label; null for regression and for several labels a text. */
  readonly label: string | null;
  /** The predicted labels: one, or for several labels a text those above the threshold. Empty for regression. */
  readonly labels: readonly string[];
  /** The probability of each label, in the order of the classifier's labels. Empty for regression. */
  readonly probabilities: readonly number[];
  /** The outputs of the model: one for each label, or the values of regression. */
  readonly logits: readonly number[];
}

/** A classifier in memory. {@link Classifier.dispose} frees it. */
export interface Classifier {
  /** The names of the labels. */
  readonly labels: readonly string[];
  readonly problemType: ProblemType;
  /** The kernel variant that runs. */
  readonly variant: KernelVariant;
  /** Messages about stored tensors that are not used. */
  readonly notices: readonly string[];
  /**
   * Classifies texts, and lets other events run between batches.
   *
   * @throws TypeError if the texts are not a list of texts, InputError if the model takes no pairs, RangeError after
   *   `dispose`
   */
  classify(texts: readonly ClassifierText[]): Promise<readonly Classification[]>;
  /** Frees the memory and ends the threads. A second call does nothing. */
  dispose(): void;
}

/** The path of a model in memory. */
export const MODEL = "model";

/** A loaded model, and what its outputs mean. */
interface LoadedParts {
  readonly config: ModelConfig;
  readonly meaning: OutputMeaning;
  readonly threshold: number | undefined;
  readonly variant: KernelVariant;
  readonly notices: readonly string[];
  /** Computes the logits of texts, [texts, outputs]. `turn` is awaited before each batch. */
  readonly logits: (
    rows: readonly TextRow[],
    turn: () => Promise<void>,
    placeOf: (index: number) => string,
  ) => Promise<Float32Array>;
  readonly release: () => void;
}

/** Creates a classifier. `turnFor` returns turns that throw after an abort or `dispose`. */
export function createClassifier({
  config,
  meaning,
  threshold,
  variant,
  notices,
  logits: logitsOf,
  release,
}: LoadedParts): {
  readonly classifier: Classifier;
  readonly turnFor: (signal?: StopSignal) => () => Promise<void>;
} {
  let isDisposed = false;
  const turnFor = (signal?: StopSignal): (() => Promise<void>) => {
    const turn = createTurn(signal);
    return async () => {
      await turn();
      if (isDisposed) throw new RangeError("classifier: expected one in use, got a disposed one");
    };
  };
  const classifier: Classifier = {
    labels: meaning.names,
    problemType: meaning.problemType,
    variant,
    notices,
    classify: async (texts) => {
      const rows = rowsOf(texts);
      const hasPairs = rows.some(({ textPair }) => textPair !== null);
      const problems = pairProblems("texts", { path: MODEL, value: { config } }, hasPairs);
      if (problems.length > 0) throw new InputError(problems);
      const turn = turnFor();
      await turn();
      const logits = await logitsOf(rows, turn, (i) => `texts[${i}]`);
      const outputs = meaning.names.length;
      return rows.map((row, i) =>
        classificationOf(meaning, row, logits.subarray(i * outputs, (i + 1) * outputs), threshold),
      );
    },
    dispose: () => {
      if (isDisposed) return;
      isDisposed = true;
      release();
    },
  };
  return { classifier, turnFor };
}

function classificationOf(
  meaning: OutputMeaning,
  row: TextRow,
  logits: Float32Array,
  threshold: number | undefined,
): Classification {
  const {
    answer,
    labels,
    probabilities,
    logits: values,
  } = answerOf(meaning, row, logits, threshold);
  return {
    label: answer !== null && probabilities !== null ? answer : null,
    labels: labels ?? (answer === null ? [] : [answer]),
    probabilities: probabilities ?? [],
    logits: values,
  };
}

function rowsOf(texts: readonly ClassifierText[]): readonly TextRow[] {
  const asObjects = Array.isArray(texts)
    ? texts.map((text) => (typeof text === "string" ? { text } : text))
    : texts;
  checkRecords("texts", asObjects, "text");
  return (asObjects as readonly Exclude<ClassifierText, string>[]).map(({ text, textPair }, i) => {
    checkString(`texts[${i}].text`, text);
    if (textPair !== undefined) checkString(`texts[${i}].textPair`, textPair);
    return { text, textPair: textPair ?? null };
  });
}
