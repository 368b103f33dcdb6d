/** Checks labels. Errors name the row of a wrong label. */
import { checkKind, describe, isTypedArray, mismatch } from "../core/checks.ts";

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

/** Checks that a label is a finite number, as every model requires. */
export function checkLabel(path: string, row: number, label: unknown): asserts label is number {
  if (typeof label !== "number" || !Number.isFinite(label))
    throw labelError(path, row, "a class, or a finite value for regression", label);
}

/** Checks that a label is one of the model's classes or, if `classes` is 1, a finite value. */
export function checkLabelOf(path: string, row: number, label: unknown, classes: number): void {
  if (classes === 1) {
    checkLabel(path, row, label);
    return;
  }
  const isClass = typeof label === "number" && Number.isInteger(label);
  if (!isClass || label < 0 || label >= classes)
    throw labelError(path, row, `a class from 0 to ${classes - 1}`, label);
}

/**
 * Checks the labels of a batch for logits [rows, columns], and returns them: classes for several columns, otherwise
 * values.
 *
 * @throws TypeError or RangeError that names the array of labels, or the row of an invalid label
 */
export function batchLabels(
  labels: unknown,
  rows: number,
  columns: number,
): Int32Array | Float32Array {
  const isClasses = isTypedArray(labels, "Int32Array");
  checkKind(
    isClasses || isTypedArray(labels, "Float32Array"),
    "batch.labels",
    "an Int32Array of classes, or a Float32Array of values",
    labels,
  );
  const isValues = columns === 1 || (!isClasses && labels.length === rows * columns);
  const expected = isValues ? rows * columns : rows;
  if (labels.length !== expected)
    throw new RangeError(mismatch("batch.labels", `${expected} elements`, labels.length));
  labels.forEach((label, i) => {
    const classes = isValues ? 1 : columns;
    checkLabelOf(`batch.labels[${i}]`, Math.floor((i * rows) / labels.length), label, classes);
  });
  if (isValues) return isClasses ? Float32Array.from(labels) : labels;
  return isClasses ? labels : Int32Array.from(labels);
}
