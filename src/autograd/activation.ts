import { checkTape, checkVariable } from "./check.ts";
import { consumedGradient, passGradient } from "./gradient.ts";
import type { OperationRecord, Variable } from "./records.ts";
import { createOutput, record, type Tape } from "./tape.ts";

/**
 * Computes the exact (erf) GELU elementwise: x Phi(x), in which Phi is the cumulative normal distribution.
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
  return activate(tape, "gelu", x);
}

/** Computes GELU elementwise with an approximation by tanh: `gelu_new` of transformers. */
export function geluNew(tape: Tape, x: Variable): Variable {
  return activate(tape, "geluNew", x);
}

/** Computes SiLU elementwise: x / (1 + exp(-x)). */
export function silu(tape: Tape, x: Variable): Variable {
  return activate(tape, "silu", x);
}

/** Computes the hyperbolic tangent elementwise. */
export function tanh(tape: Tape, x: Variable): Variable {
  return activate(tape, "tanh", x);
}

/** Computes max(x, 0) elementwise. The gradient at 0 is 0. */
export function relu(tape: Tape, x: Variable): Variable {
  return activate(tape, "relu", x);
}

/** Whether the derivative is computed from the input; otherwise from the output. */
const READS_INPUT = { gelu: true, geluNew: true, silu: true, tanh: false, relu: false } as const;

type Activation = keyof typeof READS_INPUT;

function activate(tape: Tape, name: Activation, x: Variable): Variable {
  checkTape(tape);
  checkVariable("x", x);
  const y = createOutput(tape, x.shape, x.requiresGradient);
  tape.backend.kernels[`${name}Forward`](x.value.data, y.value.data);
  record(tape, name, y, { input: x }, [READS_INPUT[name] ? x.value : y.value]);
  return y;
}

/** The backward rule of activations: dx = dy * derivative. */
export function activationBackward(tape: Tape, record: OperationRecord<Activation>): void {
  const { operation, output, operands } = record;
  const dy = consumedGradient(tape, output);
  const { value } = READS_INPUT[operation] ? operands.input : output;
  tape.backend.kernels[`${operation}Backward`](value.data, dy.data, dy.data);
  passGradient(tape, operands.input, dy);
}
