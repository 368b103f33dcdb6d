/**
 * Bounds the effect of rounding errors on parameters that Adam updates. Adam divides each gradient by roughly its own
 * magnitude, so a gradient that is only rounding noise still moves its parameter by a full step. A fixed tolerance
 * cannot allow for that.
 */
import type { AdamWSettings } from "../train/optimizer.ts";
import { largestMagnitude } from "./difference.ts";

/** A gradient below this share of the largest gradient in its tensor is rounding noise. */
const NOISE_SHARE = 1e-6;
/**
 * Rounding error of a gradient, as a share of the largest gradient in its tensor: float32's rounding error for each of
 * the two programs that are compared.
 */
const ROUNDING_SHARE = 2 ** -23;

/** The gradients of one parameter tensor at one step, with their rounding errors. */
interface GradientStep {
  readonly gradient: Float32Array;
  /** Gradients below this magnitude are rounding noise. */
  readonly noise: number;
  readonly rounding: number;
}

/** The gradients of one parameter tensor so far, and the possible error of each of its entries. */
interface RoundingHistory {
  readonly steps: GradientStep[];
  readonly movement: Float64Array;
}

export function createRoundingHistory(entries: number): RoundingHistory {
  return { steps: [], movement: new Float64Array(entries) };
}

/** Adds the gradients of one step to a history. `onlyNoise` marks all of them as rounding noise. */
export function addGradientInto(
  { steps, movement }: RoundingHistory,
  settings: AdamWSettings,
  gradient: Float32Array,
  onlyNoise: boolean,
): void {
  const largest = largestMagnitude(gradient);
  steps.push({
    gradient: gradient.slice(),
    noise: onlyNoise ? Number.POSITIVE_INFINITY : NOISE_SHARE * largest,
    rounding: ROUNDING_SHARE * largest,
  });
  if (largest === 0) return;
  const averages = averagesOf(settings, steps.length);
  for (let i = 0; i < movement.length; i++) {
    movement[i] = (movement[i] ?? 0) + settings.learningRate * directionError(steps, averages, i);
  }
}

/** Returns the maximum error of one entry of the parameter. Each step adds at most twice the learning rate to it. */
export function allowedMovement(
  { steps, movement }: RoundingHistory,
  { learningRate }: AdamWSettings,
  index: number,
): number {
  const most = 2 * learningRate * steps.length;
  return isNoise(steps, index) ? most : Math.min(most, movement[index] ?? 0);
}

/**
 * Whether an entry's gradient was rounding noise at any step. A gradient that is always zero is not noise, unless the
 * whole tensor is marked as noise.
 */
function isNoise(steps: readonly GradientStep[], index: number): boolean {
  const untouched = steps.every(
    ({ gradient, noise }) => gradient[index] === 0 && noise < Number.POSITIVE_INFINITY,
  );
  return !untouched && steps.some(({ gradient, noise }) => Math.abs(gradient[index] ?? 0) < noise);
}

/**
 * Bounds, to first order, the effect of rounding errors on Adam's direction m / (sqrt(v) + e). m and v are the
 * bias-corrected averages of g and g^2, with weights a and b. The bound is therefore the sum, over the gradients g of
 * all steps, of |a / (sqrt(v) + e) - m b g / (sqrt(v) (sqrt(v) + e)^2)| * rounding.
 */
function directionError(
  steps: readonly GradientStep[],
  { a, b, e }: ReturnType<typeof averagesOf>,
  index: number,
): number {
  let m = 0;
  let v = 0;
  steps.forEach(({ gradient }, s) => {
    const g = gradient[index] ?? 0;
    m += (a[s] ?? 0) * g;
    v += (b[s] ?? 0) * g * g;
  });
  const root = Math.sqrt(v);
  if (root === 0) return 0;
  return steps.reduce((sum, { gradient, rounding }, s) => {
    const throughV = (m * (b[s] ?? 0) * (gradient[index] ?? 0)) / (root * (root + e) ** 2);
    return sum + Math.abs((a[s] ?? 0) / (root + e) - throughV) * rounding;
  }, 0);
}

/** Returns the weights a and b of each step's gradient in Adam's averages m and v, and e, which is added to sqrt(v). */
function averagesOf({ flavour, betas: [beta1, beta2], epsilon }: AdamWSettings, count: number) {
  const weights = (beta: number): readonly number[] =>
    Array.from(
      { length: count },
      (_, s) => ((1 - beta) * beta ** (count - 1 - s)) / (1 - beta ** count),
    );
  // transformers adds epsilon before it corrects the bias of v, so epsilon is divided by sqrt(1 - beta2^t).
  const e = flavour === "torch" ? epsilon : epsilon / Math.sqrt(1 - beta2 ** count);
  return { a: weights(beta1), b: weights(beta2), e };
}
