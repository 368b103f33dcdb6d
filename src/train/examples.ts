/** Pads tokenised text classification examples into batches. */
import { checkInteger, checkOneOf, checkRecords } from "../core/checks.ts";
import { PROBLEM_TYPES, type ProblemType } from "../core/problem-type.ts";
import { padTokens, type TokenBatch } from "../model/batch.ts";
import { checkClass, checkLabel, checkValues, type ExampleLabel, isListed } from "./labels.ts";

/** One example as token ids, including special tokens, and its label. */
export interface TokenisedExample {
  readonly inputIds: ArrayLike<number>;
  readonly tokenTypeIds: ArrayLike<number>;
  /**
   * A class, a value for regression, or a list with one number for each output: 1 or 0 for each label of multi-label
   * classification, the values of several outputs for regression.
   */
  readonly label: ExampleLabel;
}

/**
 * Pads all examples to the length of the longest one, with `padId`, token type 0 and attention mask 0. Classes become an
 * Int32Array, other labels a Float32Array; lists are concatenated. Without a problem type, numbers are classes if all of
 * them are integers. A model with one label is trained as regression, so both arrays give it the same loss.
 *
 * @param examples - at least one
 * @param problemType - the model's, which says what the labels must be. Default: what the labels are
 * @throws TypeError or RangeError that names the example of an invalid label
 */
export function padExamples(
  examples: readonly TokenisedExample[],
  padId: number = 0,
  problemType: ProblemType | null = null,
): TokenBatch & { readonly labels: Int32Array | Float32Array } {
  checkRecords("examples", examples, "inputIds", "tokenTypeIds");
  checkInteger("padId", padId);
  if (problemType !== null) checkOneOf("problemType", problemType, PROBLEM_TYPES);
  const labels = labelsOf(examples, problemType);
  return { ...padTokens(examples, padId), labels };
}

function labelsOf(
  examples: readonly TokenisedExample[],
  problemType: ProblemType | null,
): Int32Array | Float32Array {
  const [first] = examples;
  const isMulti = problemType === "multi_label_classification";
  const isClasses = problemType === "single_label_classification";
  if (isMulti || (!isClasses && first !== undefined && isListed(first.label)))
    return valuesOf(examples, problemType ?? "regression");
  const labels = examples.map(({ label }, row) => {
    const path = `examples[${row}].label`;
    if (isClasses) checkClass(path, row, label, MOST_CLASSES);
    checkLabel(path, row, label);
    return label;
  });
  const isValues = problemType === "regression" || !labels.every(isInt32);
  return isValues ? Float32Array.from(labels) : Int32Array.from(labels);
}

function isInt32(label: number): boolean {
  return label === (label | 0);
}

/** Concatenates labels of one value for each output. */
function valuesOf(examples: readonly TokenisedExample[], problemType: ProblemType): Float32Array {
  let outputs: number | undefined;
  const values = examples.flatMap(({ label }, row) => {
    checkValues(`examples[${row}].label`, row, label, outputs, problemType);
    outputs = label.length;
    return Array.from(label);
  });
  return Float32Array.from(values);
}

/** Larger than the number of classes of any model. */
const MOST_CLASSES = 2 ** 31;
