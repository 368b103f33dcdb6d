/** Clips gradients by their total norm, as in torch's `clip_grad_norm_`. */
import { sumOfSquares } from "../core/sum.ts";
import type { Backend } from "../kernels/backend.ts";
import type { Parameter } from "../tensor/parameter.ts";

/** Keeps the factor finite for gradients of zero. */
const EPSILON = 1e-6;

/**
 * Returns the Euclidean norm of the gradients of all parameters together. The sum has a fixed order, in double
 * precision, so it does not depend on kernels or threads.
 */
export function gradientNorm(parameters: Iterable<Parameter>): number {
  let sum = 0;
  for (const { gradient } of parameters) sum += sumOfSquares(gradient.data);
  return Math.sqrt(sum);
}

/** Returns the factor for gradients of this norm: min(1, most / (norm + 1e-6)). */
export function clippingFactor(norm: number, most: number): number {
  return Math.min(1, most / (norm + EPSILON));
}

/** Scales the gradients of all parameters so that their norm is at most `most`. Returns the norm before. */
export function clipGradientsInto(
  backend: Backend,
  parameters: readonly Parameter[],
  most: number,
): number {
  const norm = gradientNorm(parameters);
  const factor = clippingFactor(norm, most);
  if (factor !== 1) scaleGradientsInto(backend, parameters, factor);
  return norm;
}

/** Multiplies the gradients of all parameters by a factor. */
export function scaleGradientsInto(
  backend: Backend,
  parameters: Iterable<Parameter>,
  factor: number,
): void {
  for (const { gradient } of parameters)
    backend.kernels.scale(gradient.data, factor, gradient.data);
}
