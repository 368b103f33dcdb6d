/** Losses against targets of the same shape. Losses are scalar variables; their sums are accumulated in double precision. */

import { checkNumber, checkOneOf, checkOptions, mismatch } from "../core/checks.ts";
import { checkSameShape, elementCount, formatShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkTape, checkVariable } from "./check.ts";
import { arrivedGradient, zeroedTarget } from "./gradient.ts";
import type { OperationRecord, Variable } from "./records.ts";
import { createOutput, createScratch, record, type Tape } from "./tape.ts";

/** Computes the mean of (a - b)^2 over all elements. */
export function meanSquaredError(tape: Tape, a: Variable, b: Variable): Variable {
  checkTape(tape);
  checkVariable("a", a);
  checkVariable("b", b);
  checkSameShape("meanSquaredError b", b.shape, a.shape);
  const sum = tape.backend.kernels.sumSquaredDifference(a.value.data, b.value.data);
  const needsGradient = a.requiresGradient || b.requiresGradient;
  const loss = createScalar(tape, sum / elementCount(a.shape), needsGradient);
  record(tape, "meanSquaredError", loss, { a, b }, [a.value, b.value]);
  return loss;
}

interface SoftTargetOptions {
  /**
   * The number by which the logits of student and teacher are divided. The loss is multiplied by the square of this
   * number. Default 1.
   */
  readonly temperature?: number;
  /** `batchmean` divides the sum by the batch size, `mean` by the number of elements. Default `batchmean`. */
  readonly reduction?: "batchmean" | "mean";
}

/**
 * Computes temperature^2 KL(softmax(teacher / temperature) || softmax(student / temperature)), like torch's `kl_div`.
 * No gradient flows to the teacher.
 *
 * @param student - logits [batch, classes]
 * @param teacher - logits [batch, classes]
 * @example
 * ```ts
 * import { createBackend, createTape, input, kullbackLeibler, releaseTape, scalarOf } from "espalier/nn";
 *
 * const tape = createTape(createBackend({ variant: "scalar" }), { training: false });
 * const logits = input(tape, [1, 2], Float32Array.of(1, 1));
 * console.assert(scalarOf(kullbackLeibler(tape, logits, logits, { temperature: 2 })) === 0);
 * releaseTape(tape);
 * ```
 */
export function kullbackLeibler(
  tape: Tape,
  student: Variable,
  teacher: Variable,
  options: SoftTargetOptions = {},
): Variable {
  return softTargetLoss(tape, student, teacher, options, true);
}

/**
 * Computes the cross-entropy -sum(teacher * log(student)) of the same probabilities as {@link kullbackLeibler}. Both
 * losses have the same gradient. In INC, this loss is `KnowledgeDistillationLoss` with the loss type CE for the
 * teacher.
 */
export const softCrossEntropy: typeof kullbackLeibler = (tape, student, teacher, options = {}) =>
  softTargetLoss(tape, student, teacher, options, false);

function softTargetLoss(
  tape: Tape,
  student: Variable,
  teacher: Variable,
  options: SoftTargetOptions,
  subtractEntropy: boolean,
): Variable {
  checkTape(tape);
  checkVariable("student", student);
  checkVariable("teacher", teacher);
  checkOptions("options", options, ["temperature", "reduction"]);
  const { temperature = 1, reduction = "batchmean" } = options;
  const [batch, classes] = matrixShape("student logits", student);
  checkSameShape("teacher logits", teacher.shape, student.shape);
  checkNumber("temperature", temperature, Number.MIN_VALUE);
  checkOneOf("reduction", reduction, ["batchmean", "mean"]);
  const probabilities = softmaxOf(tape, student, temperature);
  const targets = softmaxOf(tape, teacher, temperature);
  const [s, t] = [student.value.data, teacher.value.data];
  let sum = 0;
  for (let b = 0; b < batch; b++)
    sum += softTargetRow(s, t, b * classes, classes, temperature, subtractEntropy);
  const divisor = reduction === "batchmean" ? batch : batch * classes;
  const loss = createScalar(tape, (temperature ** 2 * sum) / divisor, student.requiresGradient);
  const operands = { logits: student, probabilities, targets, factor: temperature / divisor };
  record(tape, "softTargets", loss, operands, [probabilities, targets]);
  probabilities.release();
  targets.release();
  return loss;
}

/**
 * Computes -sum(q log p) for one example, or, with `subtractEntropy`, sum(q (log q - log p)); p and q are the
 * probabilities of student and teacher.
 */
function softTargetRow(
  student: Float32Array,
  teacher: Float32Array,
  offset: number,
  classes: number,
  temperature: number,
  subtractEntropy: boolean,
): number {
  const studentNorm = logSumExp(student, offset, classes, temperature);
  const teacherNorm = logSumExp(teacher, offset, classes, temperature);
  let sum = 0;
  for (let c = offset; c < offset + classes; c++) {
    const logP = student[c] / temperature - studentNorm;
    const logQ = teacher[c] / temperature - teacherNorm;
    sum += Math.exp(logQ) * (subtractEntropy ? logQ - logP : -logP);
  }
  return sum;
}

/** The backward rule of {@link meanSquaredError}: dA = 2 (a - b) / number of elements; dB = -dA. */
export function meanSquaredErrorBackward(
  tape: Tape,
  { output, operands }: OperationRecord<"meanSquaredError">,
): void {
  const { a, b } = operands;
  const factor = (2 * arrivedGradient(output).data[0]) / elementCount(a.shape);
  addDifference(tape, a, a.value, b.value, factor);
  addDifference(tape, b, b.value, a.value, factor);
}

/**
 * The backward rule of {@link kullbackLeibler} and {@link softCrossEntropy}: dLogits = factor * (probabilities -
 * targets).
 */
export function softTargetsBackward(
  tape: Tape,
  { output, operands }: OperationRecord<"softTargets">,
): void {
  const { logits, probabilities, targets, factor } = operands;
  addDifference(tape, logits, probabilities, targets, arrivedGradient(output).data[0] * factor);
}

/** Adds factor * (x - y) to the gradient of a variable, if it requires one. */
function addDifference(tape: Tape, variable: Variable, x: Tensor, y: Tensor, factor: number): void {
  if (!variable.requiresGradient) return;
  const tensor = zeroedTarget(tape, variable);
  tape.backend.kernels.addScaledDifference(x.data, y.data, factor, tensor.data);
}

export function createScalar(tape: Tape, value: number, requiresGradient: boolean): Variable {
  const scalar = createOutput(tape, [], requiresGradient);
  scalar.value.data[0] = value;
  return scalar;
}

export function softmaxOf(tape: Tape, logits: Variable, temperature: number): Tensor {
  const [batch, classes] = logits.shape;
  const probabilities = createScratch(tape, logits.shape);
  const { kernels } = tape.backend;
  kernels.softmaxRows(logits.value.data, 1 / temperature, probabilities.data, batch, classes);
  return probabilities;
}

/** Computes log(sum(exp(x / temperature))) over a row. */
export function logSumExp(
  x: Float32Array,
  offset: number,
  columns: number,
  temperature: number,
): number {
  let max = -Infinity;
  for (let c = offset; c < offset + columns; c++) max = Math.max(max, x[c] / temperature);
  let sum = 0;
  for (let c = offset; c < offset + columns; c++) sum += Math.exp(x[c] / temperature - max);
  return max + Math.log(sum);
}

export function matrixShape(name: string, { shape }: Variable): readonly [number, number] {
  if (shape.length !== 2)
    throw new RangeError(mismatch(name, "[batch, classes]", formatShape(shape)));
  return [shape[0], shape[1]];
}
