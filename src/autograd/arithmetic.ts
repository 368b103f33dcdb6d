import { checkNumber } from "../core/checks.ts";
import { checkSameShape } from "../tensor/shape.ts";
import { checkTape, checkVariable } from "./check.ts";
import { arrivedGradient, consumedGradient, contribute, passGradient } from "./gradient.ts";
import type { OperationRecord, Variable } from "./records.ts";
import { createOutput, record, type Tape } from "./tape.ts";

/**
 * Computes a + b elementwise, for equal shapes.
 *
 * @example
 * ```ts
 * import { add, createBackend, createTape, input, multiply, releaseTape, scale } from "espalier/nn";
 *
 * const tape = createTape(createBackend({ variant: "scalar" }), { training: false });
 * const [a, b] = [input(tape, [1], Float32Array.of(2)), input(tape, [1], Float32Array.of(3))];
 * const result = add(tape, multiply(tape, a, b), scale(tape, a, 10));
 * console.assert(result.value.data[0] === 26);
 * releaseTape(tape);
 * ```
 */
export function add(tape: Tape, a: Variable, b: Variable): Variable {
  checkTape(tape);
  checkVariable("a", a);
  checkVariable("b", b);
  checkSameShape("add b", b.shape, a.shape);
  const y = createOutput(tape, a.shape, a.requiresGradient || b.requiresGradient);
  tape.backend.kernels.add(a.value.data, b.value.data, y.value.data);
  record(tape, "add", y, { a, b });
  return y;
}

/** Computes a * b elementwise, for equal shapes. */
export function multiply(tape: Tape, a: Variable, b: Variable): Variable {
  checkTape(tape);
  checkVariable("a", a);
  checkVariable("b", b);
  checkSameShape("multiply b", b.shape, a.shape);
  const y = createOutput(tape, a.shape, a.requiresGradient || b.requiresGradient);
  tape.backend.kernels.multiply(a.value.data, b.value.data, y.value.data);
  record(tape, "multiply", y, { a, b }, [a.value, b.value]);
  return y;
}

/** Multiplies every element by a number: factor * x. */
export function scale(tape: Tape, x: Variable, factor: number): Variable {
  checkTape(tape);
  checkVariable("x", x);
  checkNumber("scale factor", factor);
  const y = createOutput(tape, x.shape, x.requiresGradient);
  tape.backend.kernels.scale(x.value.data, factor, y.value.data);
  record(tape, "scale", y, { input: x, factor });
  return y;
}

/** The backward rule of {@link add}: da = db = dy. */
export function addBackward(tape: Tape, { output, operands }: OperationRecord<"add">): void {
  const dy = arrivedGradient(output);
  if (operands.a.requiresGradient) passGradient(tape, operands.a, dy);
  if (operands.b.requiresGradient) passGradient(tape, operands.b, dy);
}

/** The backward rule of {@link multiply}: da = dy * b, db = dy * a. */
export function multiplyBackward(
  tape: Tape,
  { output, operands }: OperationRecord<"multiply">,
): void {
  const { a, b } = operands;
  const { kernels } = tape.backend;
  const dy = arrivedGradient(output);
  if (a.requiresGradient)
    contribute(tape, a, (da) => kernels.multiply(dy.data, b.value.data, da.data));
  if (b.requiresGradient)
    contribute(tape, b, (db) => kernels.multiply(dy.data, a.value.data, db.data));
}

/** The backward rule of {@link scale}: dx = factor * dy. */
export function scaleBackward(tape: Tape, { output, operands }: OperationRecord<"scale">): void {
  const dy = consumedGradient(tape, output);
  tape.backend.kernels.scale(dy.data, operands.factor, dy.data);
  passGradient(tape, operands.input, dy);
}
