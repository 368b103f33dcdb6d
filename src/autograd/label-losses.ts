/** Losses against labels: classes, or one value between 0 and 1 for each output. Losses are scalar variables. */

import {
  checkFloat32Array,
  checkKind,
  checkLength,
  checkList,
  checkNumber,
  checkOptions,
  isTypedArray,
  mismatch,
} from "../core/checks.ts";
import { checkTape, checkVariable } from "./check.ts";
import { checkIds } from "./embedding.ts";
import { arrivedGradient, contribute } from "./gradient.ts";
import { createScalar, logSumExp, matrixShape, softmaxOf } from "./losses.ts";
import type { LabelWeighting, OperationRecord, Variable } from "./records.ts";
import { record, type Tape } from "./tape.ts";

/** Options for {@link crossEntropy}. */
export interface CrossEntropyOptions {
  /** The share of each label's probability that all classes divide among them. From 0 to 1; default 0. */
  readonly labelSmoothing?: number;
  /** A weight above 0 for each class. Default: all 1. */
  readonly classWeights?: readonly number[] | null;
}

const CROSS_ENTROPY_OPTIONS: readonly (keyof CrossEntropyOptions)[] = [
  "labelSmoothing",
  "classWeights",
];

/**
 * Computes the mean of -log softmax(logits)[label] over the batch, like torch's `cross_entropy`. With class weights, the
 * mean divides by the sum of the labels' weights. With label smoothing s and C classes, the loss of an example is (1 -
 * s) times the weighted loss of its label, plus s / C times the sum of the weighted losses of all classes.
 *
 * @param logits - [batch, classes]
 * @param labels - the class of each example
 * @throws RangeError for a label outside the classes, or an invalid option
 * @example
 * ```ts
 * import { createBackend, createTape, crossEntropy, input, releaseTape, scalarOf } from "espalier/nn";
 *
 * const tape = createTape(createBackend({ variant: "scalar" }), { training: false });
 * const logits = input(tape, [1, 2], Float32Array.of(0, 0));
 * console.assert(Math.abs(scalarOf(crossEntropy(tape, logits, Int32Array.of(1))) - Math.LN2) < 1e-7);
 * releaseTape(tape);
 * ```
 */
export function crossEntropy(
  tape: Tape,
  logits: Variable,
  labels: Int32Array,
  options: CrossEntropyOptions = {},
): Variable {
  checkTape(tape);
  checkVariable("logits", logits);
  checkKind(isTypedArray(labels, "Int32Array"), "crossEntropy labels", "an Int32Array", labels);
  const [batch, classes] = matrixShape("crossEntropy logits", logits);
  if (labels.length !== batch)
    throw new RangeError(mismatch("crossEntropy labels", `${batch}`, labels.length));
  checkIds("crossEntropy labels", labels, classes);
  checkOptions("options", options, CROSS_ENTROPY_OPTIONS);
  const weighting = weightingOf(options, labels, classes);
  const probabilities = softmaxOf(tape, logits, 1);
  const rows = logits.value.data;
  let sum = 0;
  for (let b = 0; b < batch; b++) {
    const start = b * classes;
    const norm = logSumExp(rows, start, classes, 1);
    sum +=
      weighting === null
        ? norm - rows[start + labels[b]]
        : weightedRow(rows, start, norm, labels[b], weighting);
  }
  const loss = createScalar(tape, sum / (weighting?.divisor ?? batch), logits.requiresGradient);
  const operands = { logits, probabilities, labels: labels.slice(), weighting };
  record(tape, "crossEntropy", loss, operands, [probabilities]);
  probabilities.release();
  return loss;
}

/** Returns the weights of labels and classes; null if all are 1 without smoothing. */
function weightingOf(
  { labelSmoothing = 0, classWeights = null }: CrossEntropyOptions,
  labels: Int32Array,
  classes: number,
): LabelWeighting | null {
  checkNumber("labelSmoothing", labelSmoothing, 0, 1);
  if (classWeights !== null) checkClassWeights("classWeights", classWeights, classes);
  if (labelSmoothing === 0 && classWeights === null) return null;
  const weights = Float64Array.from({ length: classes }, (_, c) => classWeights?.[c] ?? 1);
  let divisor = 0;
  for (let b = 0; b < labels.length; b++) divisor += weights[labels[b]];
  const allWeights = weights.reduce((sum, weight) => sum + weight, 0);
  return { labelSmoothing, weights, allWeights, divisor };
}

/** Checks that there is a weight above 0 for each class; for any number of classes if `classes` is missing. */
export function checkClassWeights(
  name: string,
  weights: readonly number[],
  classes: number = weights.length,
): void {
  checkList(name, weights);
  checkLength(name, weights, classes);
  for (let c = 0; c < classes; c++) {
    const weight: unknown = weights[c];
    checkKind(typeof weight === "number", `${name}[${c}]`, "a number", weight);
    if (!(weight > 0 && weight < Infinity))
      throw new RangeError(mismatch(`${name}[${c}]`, "a finite number above 0", weight));
  }
}

/** Computes the weighted loss of one example. `norm` is the logarithm of the sum of its exponentials. */
function weightedRow(
  logits: Float32Array,
  start: number,
  norm: number,
  label: number,
  { labelSmoothing, weights }: LabelWeighting,
): number {
  const classes = weights.length;
  let all = 0;
  if (labelSmoothing > 0)
    for (let c = 0; c < classes; c++) all += weights[c] * (norm - logits[start + c]);
  const own = weights[label] * (norm - logits[start + label]);
  return (1 - labelSmoothing) * own + (labelSmoothing / classes) * all;
}

/** The backward rule of {@link crossEntropy}: without weights, dLogits = (probabilities - one-hot(label)) / batch. */
export function crossEntropyBackward(
  tape: Tape,
  { output, operands }: OperationRecord<"crossEntropy">,
): void {
  const { logits, probabilities, labels, weighting } = operands;
  const [batch, classes] = logits.shape;
  const arrived = arrivedGradient(output).data[0];
  contribute(tape, logits, (dLogits) => {
    const rows = dLogits.data;
    if (weighting !== null) {
      const factor = arrived / weighting.divisor;
      weightedGradientInto(probabilities.data, labels, weighting, factor, rows);
      return;
    }
    const factor = arrived / batch;
    tape.backend.kernels.scale(probabilities.data, factor, rows);
    for (let b = 0; b < batch; b++) {
      const index = b * classes + labels[b];
      rows[index] = factor * (probabilities.data[index] - 1);
    }
  });
}

/** Writes the gradient with class weights or label smoothing: each class c has the term weight x (p - one-hot(c)). */
function weightedGradientInto(
  probabilities: Float32Array,
  labels: Int32Array,
  { labelSmoothing, weights, allWeights }: LabelWeighting,
  factor: number,
  out: Float32Array,
): void {
  const classes = weights.length;
  const smooth = labelSmoothing / classes;
  for (let b = 0; b < labels.length; b++) {
    const own = (1 - labelSmoothing) * weights[labels[b]];
    const whole = own + smooth * allWeights;
    for (let c = 0; c < classes; c++) {
      const target = smooth * weights[c] + (c === labels[b] ? own : 0);
      out[b * classes + c] = factor * (whole * probabilities[b * classes + c] - target);
    }
  }
}

/**
 * Computes the mean of -(t log p + (1 - t) log(1 - p)) over all examples and labels, with p = 1 / (1 + exp(-logit)) and
 * t the target, like torch's `binary_cross_entropy_with_logits`. It is the loss of multi-label classification.
 *
 * @param logits - [batch, labels]
 * @param targets - for each example and label 1 if the example has the label and 0 if not, or a probability
 * @throws RangeError for a target outside 0 to 1
 */
export function binaryCrossEntropy(tape: Tape, logits: Variable, targets: Float32Array): Variable {
  checkTape(tape);
  checkVariable("logits", logits);
  const [batch, labels] = matrixShape("binaryCrossEntropy logits", logits);
  checkFloat32Array("binaryCrossEntropy targets", targets);
  checkLength("binaryCrossEntropy targets", targets, batch * labels);
  const own = targets.slice();
  const x = logits.value.data;
  let sum = 0;
  for (let i = 0; i < own.length; i++) {
    if (!(own[i] >= 0 && own[i] <= 1))
      checkNumber(`binaryCrossEntropy targets[${i}]`, own[i], 0, 1);
    // log(1 + exp(x)) - t x, without an exponential that overflows.
    sum += Math.max(x[i], 0) - x[i] * own[i] + Math.log1p(Math.exp(-Math.abs(x[i])));
  }
  const loss = createScalar(tape, sum / own.length, logits.requiresGradient);
  record(tape, "binaryCrossEntropy", loss, { logits, targets: own }, [logits.value]);
  return loss;
}

/** The backward rule of {@link binaryCrossEntropy}: dLogits = (p - targets) / number of elements. */
export function binaryCrossEntropyBackward(
  tape: Tape,
  { output, operands }: OperationRecord<"binaryCrossEntropy">,
): void {
  const { logits, targets } = operands;
  const factor = arrivedGradient(output).data[0] / targets.length;
  contribute(tape, logits, (dLogits) => {
    const [x, out] = [logits.value.data, dLogits.data];
    for (let i = 0; i < targets.length; i++)
      out[i] = factor * (1 / (1 + Math.exp(-x[i])) - targets[i]);
  });
}
