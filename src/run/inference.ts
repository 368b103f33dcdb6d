import type { TextRow } from "../io/rows/row-reader.ts";
import { encode, type Tokenizer } from "../io/tokenizer.ts";
import { type BatchSettings, computeEncodedLogits } from "./encoded-logits.ts";
import type { LoadedClassifier } from "./sparse-classifier.ts";

/** A model that computes logits of tokenized texts. */
export interface InferenceModel extends Pick<LoadedClassifier, "tokenizer"> {
  readonly classifier: Pick<LoadedClassifier["classifier"], "config" | "logits">;
}

export interface InferenceSettings extends BatchSettings {
  /** The maximum number of tokens of a row, to which it is truncated. */
  readonly maxLength: number;
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
  const encoded = rows.map(({ text, textPair }) =>
    encode(tokenizer, text, textPair ?? undefined, maxLength),
  );
  const nameOf = (index: number): string => placeOf(rows[index] as Row, index);
  return computeEncodedLogits(classifier, encoded, { batchSize, turn, onBatch }, nameOf);
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
