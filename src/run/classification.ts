/** Classifies texts with a loaded classifier. */
import { type Either, eachOf, type Problem, refuse, refuseInput, right } from "../core/either.ts";
import { sumOf } from "../core/sum.ts";
import type { Example } from "../io/glue.ts";
import { splitLines } from "../io/text.ts";
import { encode, type Tokenizer } from "../io/tokenizer.ts";
import { predictedClasses, scorePredictions } from "../train/evaluation.ts";
import { padExamples } from "../train/examples.ts";
import type { LoadedClassifier } from "./sparse-classifier.ts";

/** A text or a pair of texts to classify. The label is null if it is unknown. */
export type TextRow = Omit<Example, "label"> & { readonly label: number | null };

/** For batches of this many tokens or more, the cost of every execution is proportional to the number of tokens. */
const PROPORTIONAL_TOKENS = 128;

/** Parses one text, or two texts separated by a tab, from each line. Problems refer to the file by `path`. */
export function parseTextLines(
  path: string,
  content: string,
): Either<readonly Problem[], readonly TextRow[]> {
  const lines = splitLines(content);
  if (lines.length === 0) return refuse(path, "at least one line", "none");
  return eachOf(lines, (line, i) => {
    const [text = "", textPair, more] = line.split("\t");
    if (more !== undefined)
      return refuse(`${path}:${i + 1}`, "a text, or two with a tab between them", "more");
    return right({ text, label: null, ...(textPair !== undefined && { textPair }) });
  });
}

/** Counts the tokens of the first batch, but stops at `PROPORTIONAL_TOKENS`. */
export function firstBatchTokens(
  tokenizer: Tokenizer,
  rows: readonly TextRow[],
  batchSize: number,
  maxLength: number,
): number {
  let tokens = 0;
  for (const { text, textPair } of rows.slice(0, batchSize)) {
    tokens += encode(tokenizer, text, textPair, maxLength).inputIds.length;
    if (tokens >= PROPORTIONAL_TOKENS) return PROPORTIONAL_TOKENS;
  }
  return tokens;
}

interface Answer extends TextRow {
  /** The name of the predicted class; null for regression. */
  readonly answer: string | null;
  readonly class: number;
  /** The probability of each class; null for regression. */
  readonly probabilities: readonly number[] | null;
  readonly logits: readonly number[];
}

export interface Classification {
  readonly answers: readonly Answer[];
  /** Null, like `f1`, unless all texts have labels. */
  readonly accuracy: number | null;
  readonly f1: number | null;
}

function probabilitiesOf(logits: readonly number[]): readonly number[] {
  const largest = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - largest));
  const sum = sumOf(powers, (power) => power);
  return powers.map((power) => power / sum);
}

/**
 * Classifies texts in batches.
 *
 * @param turn awaited before each batch, so that the caller can handle other events, or stop by throwing
 * @throws InputError if a logit is not finite
 */
export async function classifyTexts(
  { classifier, tokenizer, labels: names }: LoadedClassifier,
  rows: readonly TextRow[],
  { batchSize, maxLength }: { readonly batchSize: number; readonly maxLength: number },
  turn: () => Promise<void>,
): Promise<Classification> {
  const { labels: classes, padTokenId } = classifier.config;
  const logits = new Float32Array(rows.length * classes);
  for (let start = 0; start < rows.length; start += batchSize) {
    await turn();
    const batch = rows.slice(start, start + batchSize).map(({ text, textPair }) => ({
      ...encode(tokenizer, text, textPair, maxLength),
      label: 0,
    }));
    logits.set(classifier.logits(padExamples(batch, padTokenId)), start * classes);
  }
  const wrong = logits.findIndex((logit) => !Number.isFinite(logit));
  if (wrong >= 0) {
    const path = `text ${Math.floor(wrong / classes) + 1}`;
    refuseInput(path, "logits that are finite", String(logits[wrong]));
  }
  const labels = rows.map(({ label }) => label ?? 0);
  const predictions = { logits, labels, classes, loss: Number.NaN };
  const isLabelled = rows.every(({ label }) => label !== null);
  const { accuracy, f1 } = isLabelled
    ? scorePredictions(predictions)
    : { accuracy: null, f1: null };
  const found = predictedClasses(predictions);
  const isRegression = classes === 1;
  const answers = rows.map((row, i): Answer => {
    const own = Array.from(logits.subarray(i * classes, (i + 1) * classes));
    const index = found[i] ?? 0;
    return {
      ...row,
      answer: isRegression ? null : (names[index] ?? String(index)),
      class: index,
      probabilities: isRegression ? null : probabilitiesOf(own),
      logits: own,
    };
  });
  return { answers, accuracy, f1 };
}
