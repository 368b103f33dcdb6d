import type { Parameter } from "../tensor/parameter.ts";
import { checkSameShape, columnsOf, formatShape, rowsOf } from "../tensor/shape.ts";
import { arrivedGradient, gradientTarget } from "./gradient.ts";
import type { OperationRecord, Variable } from "./records.ts";
import { createOutput, record, type Tape } from "./tape.ts";

/**
 * y = x W^T + b, torch's `nn.Linear`.
 *
 * @param x - [..., inputs]
 * @param weight - [outputs, inputs]
 * @param bias - [outputs]
 * @returns [..., outputs]
 */
export function linear(
  tape: Tape,
  x: Variable,
  weight: Parameter,
  bias: Parameter | null = null,
): Variable {
  const [outputs, inputs] = weight.value.shape;
  if (weight.value.shape.length !== 2 || columnsOf(x.shape) !== inputs || x.shape.length === 0) {
    throw new RangeError(
      `linear ${weight.name}: expected rows of ${inputs} for weight ${formatShape(weight.value.shape)}, got ${formatShape(x.shape)}`,
    );
  }
  if (bias !== null) checkSameShape(`linear ${bias.name}`, bias.value.shape, [outputs]);
  const rows = rowsOf(x.shape);
  const y = createOutput(tape, [...x.shape.slice(0, -1), outputs], true);
  const { kernels } = tape.backend;
  const [xs, ws, ys] = [x.value.data, weight.value.data, y.value.data];
  kernels.gemm("nt", rows, outputs, inputs, xs, 0, inputs, ws, 0, inputs, ys, 0, outputs, false);
  if (bias !== null) kernels.addBias(ys, bias.value.data, rows, outputs);
  record(tape, "linear", y, { input: x, inputValue: x.value, weight, bias }, [x.value]);
  return y;
}

/** dW += dy^T x; db += column sums of dy; dx = dy W. */
export function linearBackward(tape: Tape, { output, operands }: OperationRecord<"linear">): void {
  const { input, inputValue, weight, bias } = operands;
  const { kernels } = tape.backend;
  const [outputs, inputs] = weight.value.shape;
  const rows = rowsOf(inputValue.shape);
  const dy = arrivedGradient(output);
  if (input.requiresGradient) {
    const { tensor, accumulate } = gradientTarget(tape, input);
    const [dys, ws, dxs] = [dy.data, weight.value.data, tensor.data];
    kernels.gemm(
      "nn",
      rows,
      inputs,
      outputs,
      dys,
      0,
      outputs,
      ws,
      0,
      inputs,
      dxs,
      0,
      inputs,
      accumulate,
    );
  }
  const [dys, xs, dws] = [dy.data, inputValue.data, weight.gradient.data];
  kernels.gemm("tn", outputs, inputs, rows, dys, 0, outputs, xs, 0, inputs, dws, 0, inputs, true);
  if (bias !== null) kernels.addColumnSums(dys, bias.gradient.data, rows, outputs);
}
