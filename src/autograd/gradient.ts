/**
 * How backward rules pass gradients on. The first contribution to a variable's gradient is stored, later ones are
 * added. A rule may pass the gradient of its output on unchanged: the tensor is then shared, and copied only before
 * it is written.
 */
import type { Tensor } from "../tensor/tensor.ts";
import type { Variable } from "./records.ts";
import { copyOf, createScratch, type Tape } from "./tape.ts";

/** The tensor that a rule writes, and whether it must add to the values there. */
interface GradientTarget {
  readonly tensor: Tensor;
  readonly accumulate: boolean;
}

/** The target of a rule that can either write every element or add. A new target has arbitrary elements. */
export function gradientTarget(tape: Tape, variable: Variable): GradientTarget {
  if (variable.gradient === null) {
    variable.gradient = createScratch(tape, variable.shape);
    return { tensor: variable.gradient, accumulate: false };
  }
  return { tensor: ownGradient(tape, variable, variable.gradient), accumulate: true };
}

/** As {@link gradientTarget} for a rule that can only add: a new target is zero. */
export function zeroedTarget(tape: Tape, variable: Variable): Tensor {
  const { tensor, accumulate } = gradientTarget(tape, variable);
  if (!accumulate) tape.backend.kernels.fill(tensor.data, 0);
  return tensor;
}

/** Adds a gradient that `write` computes into a tensor. */
export function contribute(tape: Tape, variable: Variable, write: (target: Tensor) => void): void {
  const contribution = createScratch(tape, variable.shape);
  write(contribution);
  passGradient(tape, variable, contribution);
  contribution.release();
}

/** Adds `gradient`, or shares it if it is the first contribution. */
export function passGradient(tape: Tape, variable: Variable, gradient: Tensor): void {
  if (variable.gradient === null) {
    variable.gradient = gradient.retain();
    return;
  }
  const own = ownGradient(tape, variable, variable.gradient);
  tape.backend.kernels.addScaled(gradient.data, 1, own.data);
}

/** The gradient of an output, for a rule to overwrite and pass on. */
export function consumedGradient(tape: Tape, output: Variable): Tensor {
  return ownGradient(tape, output, arrivedGradient(output));
}

export function arrivedGradient(output: Variable): Tensor {
  if (output.gradient === null) throw new Error("backward rule run without a gradient to pass on");
  return output.gradient;
}

/** Makes the gradient of a variable safe to write: copies it if it is shared. */
function ownGradient(tape: Tape, variable: Variable, gradient: Tensor): Tensor {
  if (!gradient.shared) return gradient;
  const copy = copyOf(tape, gradient);
  gradient.release();
  variable.gradient = copy;
  return copy;
}
