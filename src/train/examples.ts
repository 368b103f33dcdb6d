/** Pads tokenised text classification examples into batches. */
import type { TokenBatch } from "../model/batch.ts";

/** One example as token ids, including special tokens, and its label. */
export interface TokenisedExample {
  readonly inputIds: ArrayLike<number>;
  readonly tokenTypeIds: ArrayLike<number>;
  readonly label: number;
}

/**
 * Pads all examples to the length of the longest one, with `padId`, token type 0 and attention mask 0. Labels become an
 * Int32Array of classes, or, with `regression`, a Float32Array of values.
 *
 * @param examples - at least one
 */
export function padExamples(
  examples: readonly TokenisedExample[],
  padId: number = 0,
  regression: boolean = false,
): TokenBatch & { readonly labels: Int32Array | Float32Array } {
  const batch = examples.length;
  const positions = examples.reduce((most, { inputIds }) => Math.max(most, inputIds.length), 0);
  const inputIds = new Int32Array(batch * positions).fill(padId);
  const tokenTypeIds = new Int32Array(batch * positions);
  const attentionMask = new Uint8Array(batch * positions);
  const labels = regression ? new Float32Array(batch) : new Int32Array(batch);
  examples.forEach((example, row) => {
    const start = row * positions;
    inputIds.set(example.inputIds, start);
    tokenTypeIds.set(example.tokenTypeIds, start);
    attentionMask.fill(1, start, start + example.inputIds.length);
    labels[row] = example.label;
  });
  return { batch, positions, inputIds, tokenTypeIds, attentionMask, labels };
}
