import { checkNumber } from "../core/checks.ts";
import { elementCount, type Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { consumedGradient, passGradient } from "./gradient.ts";
import type { DropoutDraw, OperationRecord, Variable } from "./records.ts";
import { createOutput, nextDropoutDraw, record, type Tape } from "./tape.ts";

/** Positions of random numbers come in blocks of this many; rows begin at a block's beginning. */
export const DROPOUT_BLOCK = 32;

/**
 * Inverted dropout: zeroes an element with probability `rate` and divides the others by 1 - rate. The
 * first axis counts examples; which elements are dropped depends on (seed, step, operation, example,
 * row, column) alone, not on how many rows pad an example. The identity when the tape is not
 * training.
 *
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
export function dropout(tape: Tape, x: Variable, rate: number): Variable {
  checkDropoutRate("rate", rate);
  const draw = nextDropoutDraw(tape, rate);
  if (draw === null) return x;
  const y = createOutput(tape, x.shape, x.requiresGradient);
  dropRows(tape, draw, x.value, y.value);
  record(tape, "dropout", y, { input: x, draw });
  return y;
}

/** Checks a dropout rate: in [0, 1). */
export function checkDropoutRate(name: string, rate: unknown): void {
  checkNumber(name, rate, 0, 1 - 2 ** -16);
}

/** dx = dropout(dy), with the same draw. */
export function dropoutBackward(
  tape: Tape,
  { output, operands }: OperationRecord<"dropout">,
): void {
  const dy = consumedGradient(tape, output);
  dropRows(tape, operands.draw, dy, dy);
  passGradient(tape, operands.input, dy);
}

/** Applies a draw to [examples, ..., columns]; `y` may alias `x`. */
export function dropRows(tape: Tape, draw: DropoutDraw, x: Tensor, y: Tensor): void {
  const { examples, rows, columns } = exampleRows(x.shape);
  const stride = Math.ceil(columns / DROPOUT_BLOCK) * DROPOUT_BLOCK;
  const { kernels } = tape.backend;
  const [xs, ys] = [x.data, y.data];
  kernels.independently(() => {
    for (let b = 0; b < examples; b++) {
      const example = tape.firstExample + b;
      kernels.dropout(
        xs,
        ys,
        b * rows * columns,
        rows,
        columns,
        0,
        stride,
        draw.rate,
        draw.key,
        example,
      );
    }
  });
}

/** A shape as examples of rows: [examples, ..., columns]; one axis alone counts examples. */
function exampleRows(shape: Shape): { examples: number; rows: number; columns: number } {
  const examples = shape.length === 0 ? 1 : shape[0];
  const columns = shape.length < 2 ? 1 : shape[shape.length - 1];
  return { examples, rows: elementCount(shape) / (examples * columns), columns };
}
