/**
 * Accumulates the gradients of variables. The first contribution to a gradient is stored, and later ones are added. A
 * backward rule may pass on the gradient of its output unchanged. The tensor is then shared, and copied before the next
 * write.
 */
import type { Tensor } from "../tensor/tensor.ts";
import type { Variable } from "./records.ts";
import { copyOf, createScratch, type Tape } from "./tape.ts";

/** The tensor to which a backward rule writes a gradient, and whether the rule must add to the tensor's values. */
interface GradientTarget {
  readonly tensor: Tensor;
  readonly accumulate: boolean;
}

/**
 * Returns the target for a rule that can either overwrite all elements or add to them. The elements of a new target are
 * arbitrary.
 */
export function gradientTarget(tape: Tape, variable: Variable): GradientTarget {
  if (variable.gradient === null) {
    variable.gradient = createScratch(tape, variable.shape);
    return { tensor: variable.gradient, accumulate: false };
  }
  return { tensor: ownGradient(tape, variable, variable.gradient), accumulate: true };
}

/** Returns the target for a rule that can only add to the target's values. A new target is filled with zeros. */
export function zeroedTarget(tape: Tape, variable: Variable): Tensor {
  const { tensor, accumulate } = gradientTarget(tape, variable);
  if (!accumulate) tape.backend.kernels.fill(tensor.data, 0);
  return tensor;
}

/** Adds the values that `write` stores in a temporary tensor to the gradient of a variable. */
export function contribute(tape: Tape, variable: Variable, write: (target: Tensor) => void): void {
  const contribution = createScratch(tape, variable.shape);
  write(contribution);
  passGradient(tape, variable, contribution);
  contribution.release();
}

/** Adds a tensor to the gradient of a variable, or shares the tensor if it is the first contribution. */
export function passGradient(tape: Tape, variable: Variable, gradient: Tensor): void {
  if (variable.gradient === null) {
    variable.gradient = gradient.retain();
    return;
  }
  const own = ownGradient(tape, variable, variable.gradient);
  tape.backend.kernels.addScaled(gradient.data, 1, own.data);
}

/** Returns the gradient of an output, for a backward rule that overwrites it. */
export function consumedGradient(tape: Tape, output: Variable): Tensor {
  return ownGradient(tape, output, arrivedGradient(output));
}

export function arrivedGradient(output: Variable): Tensor {
  if (output.gradient === null) throw new Error("backward rule run without a gradient to pass on");
  return output.gradient;
}

/** Returns a gradient that may be overwritten: the given tensor, or a copy if it is shared. */
function ownGradient(tape: Tape, variable: Variable, gradient: Tensor): Tensor {
  if (!gradient.shared) return gradient;
  const copy = copyOf(tape, gradient);
  gradient.release();
  variable.gradient = copy;
  return copy;
}
