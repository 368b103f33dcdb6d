import { checkKind, checkNumber, succeeds } from "../core/checks.ts";
import { DROPOUT_GROUP } from "../kernels/table.ts";
import { columnsOf, elementCount, type Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkTape, checkVariable } from "./check.ts";
import { consumedGradient, passGradient } from "./gradient.ts";
import type { DropoutDraw, OperationRecord, Variable } from "./records.ts";
import { checkSequences, type Sequences, uniformSequences } from "./sequences.ts";
import { createOutput, nextDropoutDraw, record, type Tape } from "./tape.ts";

/**
 * Inverted dropout: sets elements to zero with probability `rate` and divides the others by 1 - rate. Returns `x` if
 * the tape is not training. Which elements are set to zero depends on (seed, step, operation, example, row, column),
 * but not on padding. The examples are the entries of the first axis, or the given sequences.
 *
 * @param x - [examples, ..., columns], or [rows, columns] with `sequences`
 * @throws RangeError for a rate outside [0, 1)
 * @example
 * ```ts
 * import { createBackend, createTape, dropout, input, releaseTape } from "espalier/nn";
 *
 * const tape = createTape(createBackend({ variant: "scalar" }), { training: true, seed: 1 });
 * const ones = input(tape, [1, 1000], new Float32Array(1000).fill(1));
 * const dropped = dropout(tape, ones, 0.5).value.data;
 * console.assert(dropped.every((value) => value === 0 || value === 2));
 * releaseTape(tape);
 * ```
 */
export function dropout(tape: Tape, x: Variable, rate: number, sequences?: Sequences): Variable {
  checkTape(tape);
  checkVariable("x", x);
  checkDropoutRate("rate", rate);
  const examples = exampleSequences("dropout", x.shape, sequences);
  const draw = nextDropoutDraw(tape, rate);
  if (draw === null) return x;
  const y = createOutput(tape, x.shape, x.requiresGradient);
  dropRows(tape, draw, examples, x.value, y.value);
  record(tape, "dropout", y, { input: x, draw, sequences: examples });
  return y;
}

export function checkDropoutRate(name: string, rate: unknown): void {
  checkNumber(name, rate, 0, 1 - 2 ** -16);
}

/** The backward rule of {@link dropout}: dx = dropout(dy) with the same random numbers. */
export function dropoutBackward(
  tape: Tape,
  { output, operands }: OperationRecord<"dropout">,
): void {
  const dy = consumedGradient(tape, output);
  dropRows(tape, operands.draw, operands.sequences, dy, dy);
  passGradient(tape, operands.input, dy);
}

/**
 * Computes y = dropout(x) with the random numbers of the given draw. Each sequence is an example. `y` may alias `x`.
 */
export function dropRows(
  tape: Tape,
  { rate, key }: DropoutDraw,
  sequences: Sequences,
  x: Tensor,
  y: Tensor,
): void {
  const columns = elementCount(x.shape) / rowCount(x.shape);
  const stride = Math.ceil(columns / DROPOUT_GROUP) * DROPOUT_GROUP;
  const { kernels } = tape.backend;
  const xs = x.data;
  const ys = y.data;
  kernels.openGroup();
  try {
    for (let i = 0; i + 1 < sequences.offsets.length; i++) {
      const row = sequences.offsets[i];
      const length = sequences.offsets[i + 1] - row;
      const example = tape.firstExample + i;
      kernels.dropout(xs, ys, row * columns, length, columns, 0, stride, rate, key, example);
    }
  } finally {
    kernels.closeGroup();
  }
}

/** Returns the number of rows. If there is a single axis, each element is a row. */
function rowCount(shape: Shape): number {
  return shape.length < 2 ? elementCount(shape) : elementCount(shape) / columnsOf(shape);
}

/** Checks the given sequences and returns them. Default: one sequence for each entry of the first axis. */
export function exampleSequences(name: string, shape: Shape, given?: Sequences): Sequences {
  const rows = rowCount(shape);
  if (given !== undefined) {
    const isRead = succeeds(() => given.offsets.length >= 0);
    checkKind(isRead, `${name} sequences`, "sequences", given);
    checkSequences(name, given, rows);
    return given;
  }
  const examples = shape.length === 0 ? 1 : shape[0];
  return uniformSequences(examples, rows / examples);
}
