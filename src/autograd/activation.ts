import { consumedGradient, passGradient } from "./gradient.ts";
import type { OperationRecord, Variable } from "./records.ts";
import { createOutput, record, type Tape } from "./tape.ts";

/**
 * x Phi(x), the exact (erf) GELU, elementwise.
 *
 * @example
 * ```ts
 * import { createBackend, createTape, gelu, input, releaseTape, relu, tanh } from "espalier/nn";
 *
 * const tape = createTape(createBackend({ variant: "scalar" }), { training: false });
 * const x = input(tape, [2], Float32Array.of(-1, 0));
 * console.assert(Math.abs(gelu(tape, x).value.data[0] + 0.158655) < 1e-6);
 * console.assert(relu(tape, x).value.data[0] === 0);
 * console.assert(Math.abs(tanh(tape, x).value.data[0] + 0.761594) < 1e-6);
 * releaseTape(tape);
 * ```
 */
export function gelu(tape: Tape, x: Variable): Variable {
  const y = createOutput(tape, x.shape, x.requiresGradient);
  tape.backend.kernels.geluForward(x.value.data, y.value.data);
  record(tape, "gelu", y, { input: x, inputValue: x.value }, [x.value]);
  return y;
}

/** Hyperbolic tangent, elementwise. */
export function tanh(tape: Tape, x: Variable): Variable {
  const y = createOutput(tape, x.shape, x.requiresGradient);
  tape.backend.kernels.tanhForward(x.value.data, y.value.data);
  record(tape, "tanh", y, { input: x, outputValue: y.value }, [y.value]);
  return y;
}

/** max(x, 0), elementwise; its gradient at 0 is 0. */
export function relu(tape: Tape, x: Variable): Variable {
  const y = createOutput(tape, x.shape, x.requiresGradient);
  tape.backend.kernels.reluForward(x.value.data, y.value.data);
  record(tape, "relu", y, { input: x, outputValue: y.value }, [y.value]);
  return y;
}

/** dx = dy * d gelu(x). */
export function geluBackward(tape: Tape, { output, operands }: OperationRecord<"gelu">): void {
  const dy = consumedGradient(tape, output);
  tape.backend.kernels.geluBackward(operands.inputValue.data, dy.data, dy.data);
  passGradient(tape, operands.input, dy);
}

/** dx = dy * (1 - y^2). */
export function tanhBackward(tape: Tape, { output, operands }: OperationRecord<"tanh">): void {
  const dy = consumedGradient(tape, output);
  tape.backend.kernels.tanhBackward(operands.outputValue.data, dy.data, dy.data);
  passGradient(tape, operands.input, dy);
}

/** dx = dy if y > 0, else 0. */
export function reluBackward(tape: Tape, { output, operands }: OperationRecord<"relu">): void {
  const dy = consumedGradient(tape, output);
  tape.backend.kernels.reluBackward(operands.outputValue.data, dy.data, dy.data);
  passGradient(tape, operands.input, dy);
}
