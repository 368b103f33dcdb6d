/**
 * How backward rules hand gradients on. The first contribution to a variable's gradient is stored,
 * later ones are added. A contribution that is the output's own gradient is shared instead of copied;
 * a shared gradient is copied only when somebody is about to change it.
 */
import type { Tensor } from "../tensor/tensor.ts";
import type { Variable } from "./records.ts";
import { copyOf, createScratch, type Tape } from "./tape.ts";

/** Where a rule writes, and whether it must add to what is there. */
export interface GradientTarget {
  readonly tensor: Tensor;
  readonly accumulate: boolean;
}

/** The target of an operation that either writes every element or adds. A new one's elements are arbitrary. */
export function gradientTarget(tape: Tape, variable: Variable): GradientTarget {
  if (variable.gradient === null) {
    variable.gradient = createScratch(tape, variable.shape);
    return { tensor: variable.gradient, accumulate: false };
  }
  return { tensor: ownGradient(tape, variable, variable.gradient), accumulate: true };
}

/** As {@link gradientTarget} for an operation that can only add: a new target is zero. */
export function zeroedTarget(tape: Tape, variable: Variable): Tensor {
  const { tensor, accumulate } = gradientTarget(tape, variable);
  if (!accumulate) tape.backend.kernels.fill(tensor.data, 0);
  return tensor;
}

/** Adds what `write` computes: it writes every element of its argument. */
export function contribute(tape: Tape, variable: Variable, write: (target: Tensor) => void): void {
  const contribution = createScratch(tape, variable.shape);
  write(contribution);
  passGradient(tape, variable, contribution);
  contribution.release();
}

/** Adds `gradient` as it is: shared where it is the first contribution. */
export function passGradient(tape: Tape, variable: Variable, gradient: Tensor): void {
  if (variable.gradient === null) {
    variable.gradient = gradient.retain();
    return;
  }
  const own = ownGradient(tape, variable, variable.gradient);
  tape.backend.kernels.addScaled(gradient.data, 1, own.data);
}

/** The gradient that reached an operation's output, for its rule to overwrite and pass on. */
export function consumedGradient(tape: Tape, output: Variable): Tensor {
  return ownGradient(tape, output, arrivedGradient(output));
}

/** The gradient that reached an operation's output, to read. */
export function arrivedGradient(output: Variable): Tensor {
  if (output.gradient === null) throw new Error("backward rule run without a gradient to pass on");
  return output.gradient;
}

/** Makes a variable's gradient safe to change: a copy where someone else holds it too. */
function ownGradient(tape: Tape, variable: Variable, gradient: Tensor): Tensor {
  if (!gradient.shared) return gradient;
  const copy = copyOf(tape, gradient);
  gradient.release();
  variable.gradient = copy;
  return copy;
}
