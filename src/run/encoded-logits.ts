/** Computes the logits of tokenized texts, in batches of similar length. */
import { refuseInput } from "../core/either.ts";
import { storedMaxLength } from "../experiment/task-labels.ts";
import type { Encoding, Tokenizer } from "../io/tokenizer.ts";
import { padTokens } from "../model/batch.ts";
import type { ModelConfig } from "../model/config.ts";
import type { SparseClassifier } from "../sparse/classifier.ts";

/** How texts are computed in batches. */
export interface BatchSettings {
  /** Number of rows that are computed at once. */
  readonly batchSize: number;
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
  {
    config,
    tokenizer,
  }: { readonly config: ModelConfig; readonly tokenizer: Pick<Tokenizer, "maxLength"> },
  given: number | undefined,
): number {
  const { maxPositions } = config;
  const stated = storedMaxLength(config) ?? tokenizer.maxLength ?? maxPositions;
  const maxLength = given ?? Math.min(maxPositions, stated);
  if (maxLength > maxPositions)
    refuseInput("`maxLength`", `at most the model's ${maxPositions}`, String(maxLength));
  return maxLength;
}

/**
 * Computes the logits of tokenized texts, [texts, outputs], row-major. Batches have texts of similar length; the result
 * is in the texts' order.
 *
 * @param placeOf names a text in a problem
 * @throws InputError if a logit is not finite
 */
export async function computeEncodedLogits(
  classifier: Pick<SparseClassifier, "config" | "logits">,
  encoded: readonly Encoding[],
  { batchSize, turn, onBatch }: BatchSettings,
  placeOf: (index: number) => string,
): Promise<Float32Array> {
  const { labels: outputs, padTokenId } = classifier.config;
  const order = encoded
    .map((encoding, row) => [row, encoding] as const)
    .sort(([, a], [, b]) => a.inputIds.length - b.inputIds.length);
  const logits = new Float32Array(encoded.length * outputs);
  for (let start = 0; start < order.length; start += batchSize) {
    await turn();
    const batch = order.slice(start, start + batchSize);
    const examples = batch.map(([, example]) => example);
    const found = classifier.logits(padTokens(examples, padTokenId));
    batch.forEach(([row], i) => {
      logits.set(found.subarray(i * outputs, (i + 1) * outputs), row * outputs);
    });
    onBatch?.(batch.length);
  }
  const wrong = logits.findIndex((logit) => !Number.isFinite(logit));
  if (wrong >= 0) {
    const path = placeOf(Math.floor(wrong / outputs));
    refuseInput(path, "logits that are finite", String(logits[wrong]));
  }
  return logits;
}
