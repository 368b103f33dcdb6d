/** Computes the logits of rows of text. This is the core of evaluation and prediction. */
import { refuseInput } from "../core/either.ts";
import { storedMaxLength } from "../experiment/task-labels.ts";
import type { TextRow } from "../io/rows/row-reader.ts";
import { encode, type Tokenizer } from "../io/tokenizer.ts";
import type { ModelConfig } from "../model/config.ts";
import { padExamples } from "../train/examples.ts";
import type { LoadedClassifier } from "./sparse-classifier.ts";

/** A model that computes logits of tokenized texts. */
export interface InferenceModel extends Pick<LoadedClassifier, "tokenizer"> {
  readonly classifier: Pick<LoadedClassifier["classifier"], "config" | "logits">;
}

export interface InferenceSettings {
  /** Number of rows that are computed at once. */
  readonly batchSize: number;
  /** The maximum number of tokens of a row, to which it is truncated. */
  readonly maxLength: number;
  /** Awaited before each batch, so that the caller can handle other events, or stop by throwing. */
  readonly turn: () => Promise<void>;
  /** Called after each batch with the number of its rows. */
  readonly onBatch?: ((rows: number) => void) | undefined;
}

/**
 * Returns the maximum number of tokens in an input; by default, the maximum in training, or else the smaller of the
 * model's and the tokenizer's. Longer texts are truncated.
 */
export function longestInput(
  { config, tokenizer }: { readonly config: ModelConfig; readonly tokenizer: Tokenizer },
  given: number | undefined,
): number {
  const { maxPositions } = config;
  const stated = storedMaxLength(config) ?? tokenizer.maxLength ?? maxPositions;
  const maxLength = given ?? Math.min(maxPositions, stated);
  if (maxLength > maxPositions)
    refuseInput("`maxLength`", `at most the model's ${maxPositions}`, String(maxLength));
  return maxLength;
}

/** Rows in order, in pieces of any size. Each piece is awaited. */
export type RowPieces<Row> = (onRows: (rows: readonly Row[]) => Promise<void>) => Promise<void>;

/** A window has this many batches. Rows of similar length within a window share a batch. */
const WINDOW_BATCHES = 64;

/** For batches of this many tokens or more, the cost of every execution is proportional to the number of tokens. */
const PROPORTIONAL_TOKENS = 128;

/** Counts the tokens of the first batch, but stops at `PROPORTIONAL_TOKENS`. */
export function firstBatchTokens(
  tokenizer: Tokenizer,
  rows: readonly TextRow[],
  { batchSize, maxLength }: Pick<InferenceSettings, "batchSize" | "maxLength">,
): number {
  let tokens = 0;
  for (const { text, textPair } of rows.slice(0, batchSize)) {
    tokens += encode(tokenizer, text, textPair ?? undefined, maxLength).inputIds.length;
    if (tokens >= PROPORTIONAL_TOKENS) return PROPORTIONAL_TOKENS;
  }
  return tokens;
}

/**
 * Computes the logits of rows, [rows, outputs], row-major. Batches have rows of similar length; the result is in the
 * rows' order.
 *
 * @param placeOf names a row in a problem
 * @throws InputError if a logit is not finite
 */
export async function computeLogits<Row extends TextRow>(
  { classifier, tokenizer }: InferenceModel,
  rows: readonly Row[],
  { batchSize, maxLength, turn, onBatch }: InferenceSettings,
  placeOf: (row: Row, index: number) => string,
): Promise<Float32Array> {
  const { labels: outputs, padTokenId } = classifier.config;
  const encoded = rows.map(({ text, textPair }) => ({
    ...encode(tokenizer, text, textPair ?? undefined, maxLength),
    label: 0,
  }));
  const order = [...encoded.entries()].sort(([, a], [, b]) => {
    return a.inputIds.length - b.inputIds.length;
  });
  const logits = new Float32Array(rows.length * outputs);
  for (let start = 0; start < order.length; start += batchSize) {
    await turn();
    const batch = order.slice(start, start + batchSize);
    const examples = batch.map(([, example]) => example);
    const found = classifier.logits(padExamples(examples, padTokenId));
    batch.forEach(([row], i) => {
      logits.set(found.subarray(i * outputs, (i + 1) * outputs), row * outputs);
    });
    onBatch?.(batch.length);
  }
  const wrong = logits.findIndex((logit) => !Number.isFinite(logit));
  if (wrong >= 0) {
    const index = Math.floor(wrong / outputs);
    const path = placeOf(rows[index] as Row, index);
    refuseInput(path, "logits that are finite", String(logits[wrong]));
  }
  return logits;
}

/** Computes the logits of any number of rows, a window at a time, and passes each window on, in the rows' order. */
export async function inferInWindows<Row extends TextRow>(
  model: InferenceModel,
  pieces: RowPieces<Row>,
  settings: InferenceSettings,
  placeOf: (row: Row, index: number) => string,
  onWindow: (rows: readonly Row[], logits: Float32Array) => void | Promise<void>,
): Promise<void> {
  const size = WINDOW_BATCHES * settings.batchSize;
  let waiting: Row[] = [];
  const infer = async (rows: readonly Row[]): Promise<void> => {
    await onWindow(rows, await computeLogits(model, rows, settings, placeOf));
  };
  await pieces(async (rows) => {
    for (const row of rows) {
      waiting.push(row);
      if (waiting.length < size) continue;
      const window = waiting;
      waiting = [];
      await infer(window);
    }
  });
  if (waiting.length > 0) await infer(waiting);
}
