/** Checks labels. Errors name the row of a wrong label. */
import { checkKind, describe, isTypedArray, mismatch } from "../core/checks.ts";
import type { ProblemType } from "../core/problem-type.ts";

/** The position of a wrong label, for callers that know the batch's rows. */
interface WrongLabel {
  readonly row: number;
  readonly expected: string;
  readonly got: string;
}

const wrongLabels = new WeakMap<Error, WrongLabel>();

/** Returns the error for a wrong label: a RangeError for a number, otherwise a TypeError. */
function labelError(path: string, row: number, expected: string, label: unknown): Error {
  const got = label === undefined ? "none" : describe(label);
  const message = mismatch(path, expected, got);
  const error = typeof label === "number" ? new RangeError(message) : new TypeError(message);
  wrongLabels.set(error, { row, expected, got });
  return error;
}

/**
 * Converts an error about a label in a batch to an error about a row of the data set `name`. `indices` are the batch's
 * rows in the data set; by default, the batch is the whole data set. Returns other errors unchanged.
 */
export function namingRow(error: unknown, name: string, indices?: ArrayLike<number>): unknown {
  const wrong = error instanceof Error ? wrongLabels.get(error) : undefined;
  if (wrong === undefined) return error;
  const row = indices === undefined ? wrong.row : (indices[wrong.row] ?? wrong.row);
  const message = mismatch(`${name}[${row}].label`, wrong.expected, wrong.got);
  const Kind = error instanceof TypeError ? TypeError : RangeError;
  const renamed = new Kind(message, { cause: error });
  wrongLabels.set(renamed, { ...wrong, row });
  return renamed;
}

/** The label of an example: a class or a value, or one number for each output of the model. */
export type ExampleLabel = number | ArrayLike<number>;

/**
 * Returns the problem type that transformers infers for a model with `outputs` outputs if its configuration states none:
 * `regression` for one output, otherwise `single_label_classification` for classes and `multi_label_classification` for
 * labels of one value for each output.
 */
export function inferProblemType(outputs: number, label: ExampleLabel): ProblemType {
  if (outputs === 1) return "regression";
  return typeof label === "object" && label !== null
    ? "multi_label_classification"
    : "single_label_classification";
}

/** Checks that a label is a finite number, as every model requires. */
export function checkLabel(path: string, row: number, label: unknown): asserts label is number {
  if (typeof label !== "number" || !Number.isFinite(label))
    throw labelError(path, row, "a class, or a finite value for regression", label);
}

/** Checks that a label is a class below `classes`. */
export function checkClass(path: string, row: number, label: unknown, classes: number): void {
  if (!isClass(label, classes)) throw labelError(path, row, classOf(classes), label);
}

function isClass(label: unknown, classes: number): label is number {
  return typeof label === "number" && Number.isInteger(label) && label >= 0 && label < classes;
}

function classOf(classes: number): string {
  return `a class from 0 to ${classes - 1}`;
}

/** Checks that an example's label fits a model with `outputs` outputs. */
export function checkLabelOf(
  path: string,
  row: number,
  label: unknown,
  outputs: number,
  problemType: ProblemType,
): void {
  switch (problemType) {
    case "single_label_classification":
      checkClass(path, row, label, outputs);
      return;
    case "regression":
      if (outputs === 1 && !isListed(label)) checkLabel(path, row, label);
      else checkValues(path, row, label, outputs, problemType);
      return;
    case "multi_label_classification":
      checkValues(path, row, label, outputs, problemType);
      return;
    default:
      problemType satisfies never;
  }
}

/** Whether a label is an array or a typed array. */
export function isListed(label: unknown): label is ArrayLike<unknown> {
  return Array.isArray(label) || (ArrayBuffer.isView(label) && "length" in label);
}

/** Checks that a label has one value for each output; for any number of outputs if `outputs` is missing. */
export function checkValues(
  path: string,
  row: number,
  label: unknown,
  outputs: number | undefined,
  problemType: ProblemType,
): asserts label is ArrayLike<number> {
  if (!isListed(label) || label.length !== (outputs ?? label.length))
    throw labelError(
      path,
      row,
      outputs === undefined ? "a list of values" : `a list of ${outputs} values`,
      label,
    );
  for (let i = 0; i < label.length; i++)
    if (!isValue(label[i], problemType))
      throw labelError(`${path}[${i}]`, row, valueFor(problemType), label[i]);
}

function valueFor(problemType: ProblemType): string {
  return problemType === "regression" ? "a finite value" : "a value from 0 to 1";
}

function isValue(value: unknown, problemType: ProblemType): boolean {
  if (typeof value !== "number" || !Number.isFinite(value)) return false;
  return problemType === "regression" || (value >= 0 && value <= 1);
}

/** The labels of a batch in the form that the loss for the problem type reads. */
export type BatchLabels =
  | { readonly problemType: "single_label_classification"; readonly classes: Int32Array }
  | {
      readonly problemType: "multi_label_classification" | "regression";
      /** [rows, outputs] */
      readonly values: Float32Array;
    };

/**
 * Checks the labels of a batch against logits [rows, outputs], and returns them as the loss reads them. If no problem
 * type is stated, {@link inferProblemType} infers it.
 *
 * @throws TypeError or RangeError that names the array of labels, or the row of an invalid label
 */
export function batchLabels(
  labels: unknown,
  rows: number,
  outputs: number,
  stated: ProblemType | null = null,
): BatchLabels {
  const isIntegers = isTypedArray(labels, "Int32Array");
  checkKind(
    isIntegers || isTypedArray(labels, "Float32Array"),
    "batch.labels",
    "an Int32Array of classes, or a Float32Array of values",
    labels,
  );
  const isOnePerRow = isIntegers || labels.length !== rows * outputs;
  const problemType = stated ?? inferProblemType(outputs, isOnePerRow ? 0 : labels);
  const isClasses = problemType === "single_label_classification";
  const expected = isClasses ? rows : rows * outputs;
  if (labels.length !== expected)
    throw new RangeError(mismatch("batch.labels", `${expected} elements`, labels.length));
  for (let i = 0; i < expected; i++) {
    if (isClasses ? isClass(labels[i], outputs) : isValue(labels[i], problemType)) continue;
    const row = Math.floor((i * rows) / expected);
    const wanted = isClasses ? classOf(outputs) : valueFor(problemType);
    throw labelError(`batch.labels[${i}]`, row, wanted, labels[i]);
  }
  if (isClasses) return { problemType, classes: isIntegers ? labels : Int32Array.from(labels) };
  return { problemType, values: isIntegers ? Float32Array.from(labels) : labels };
}
