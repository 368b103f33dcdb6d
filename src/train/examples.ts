/** Pads tokenised text classification examples into batches. */
import { checkInteger, checkKind, checkRecords } from "../core/checks.ts";
import type { TokenBatch } from "../model/batch.ts";
import { checkLabel, checkLabelOf } from "./labels.ts";

/** One example as token ids, including special tokens, and its label. */
export interface TokenisedExample {
  readonly inputIds: ArrayLike<number>;
  readonly tokenTypeIds: ArrayLike<number>;
  readonly label: number;
}

/**
 * Pads all examples to the length of the longest one, with `padId`, token type 0 and attention mask 0. Labels become an
 * Int32Array of classes if all are integers, otherwise a Float32Array of values. A model with one label is trained as
 * regression, so both arrays give it the same loss.
 *
 * @param examples - at least one
 * @param regression - true: the labels become a Float32Array; false: they must be integers
 * @throws TypeError or RangeError that names the example of a label that is not a number, not finite or not an integer
 */
export function padExamples(
  examples: readonly TokenisedExample[],
  padId: number = 0,
  regression?: boolean,
): TokenBatch & { readonly labels: Int32Array | Float32Array } {
  checkRecords("examples", examples, "inputIds", "tokenTypeIds");
  checkInteger("padId", padId);
  checkKind(
    regression === undefined || typeof regression === "boolean",
    "regression",
    "a boolean",
    regression,
  );
  const batch = examples.length;
  const positions = examples.reduce((most, { inputIds }) => Math.max(most, inputIds.length), 0);
  const inputIds = new Int32Array(batch * positions).fill(padId);
  const tokenTypeIds = new Int32Array(batch * positions);
  const attentionMask = new Uint8Array(batch * positions);
  const labels = labelsOf(examples, regression);
  examples.forEach((example, row) => {
    const start = row * positions;
    inputIds.set(example.inputIds, start);
    tokenTypeIds.set(example.tokenTypeIds, start);
    attentionMask.fill(1, start, start + example.inputIds.length);
  });
  return { batch, positions, inputIds, tokenTypeIds, attentionMask, labels };
}

function labelsOf(
  examples: readonly TokenisedExample[],
  regression: boolean | undefined,
): Int32Array | Float32Array {
  const labels = examples.map(({ label }, row) => {
    const path = `examples[${row}].label`;
    if (regression === false) checkLabelOf(path, row, label, MOST_CLASSES);
    else checkLabel(path, row, label);
    return label;
  });
  const isValues = regression ?? !labels.every(Number.isInteger);
  return isValues ? Float32Array.from(labels) : Int32Array.from(labels);
}

/** Larger than the number of classes of any model. */
const MOST_CLASSES = 2 ** 31;
