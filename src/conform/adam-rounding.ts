/**
 * How far rounding may move a parameter that Adam updates. Adam divides a gradient by its own size, which turns
 * rounding noise into whole steps and magnifies the rounding of small gradients, beyond any fixed tolerance.
 */
import type { AdamWSettings } from "../train/optimizer.ts";
import { largestMagnitude } from "./difference.ts";

/** Below this share of its tensor's largest, a gradient is rounding noise. */
const NOISE_SHARE = 1e-6;
/** Rounding of gradients as a share of their tensor's largest: two programs each round, so twice float32's roundoff. */
const ROUNDING_SHARE = 2 ** -23;

/** The gradients of one parameter at one step, with bounds of their rounding. */
interface GradientStep {
  readonly gradient: Float32Array;
  /** Gradients below this are noise. */
  readonly noise: number;
  readonly rounding: number;
}

/** One parameter's gradients so far, and the possible movement of each entry. */
interface RoundingHistory {
  readonly steps: GradientStep[];
  readonly movement: Float64Array;
}

export function createRoundingHistory(entries: number): RoundingHistory {
  return { steps: [], movement: new Float64Array(entries) };
}

/** Adds one step's gradients. `onlyNoise` says that all of them are rounding noise. */
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

/** How far an entry may lie from its expected value: at most two steps of the learning rate for each step. */
export function allowedMovement(
  { steps, movement }: RoundingHistory,
  { learningRate }: AdamWSettings,
  index: number,
): number {
  const most = 2 * learningRate * steps.length;
  return isNoise(steps, index) ? most : Math.min(most, movement[index] ?? 0);
}

/** Whether a gradient was noise at any step. One that is always zero is not, unless the whole tensor is noise. */
function isNoise(steps: readonly GradientStep[], index: number): boolean {
  const untouched = steps.every(
    ({ gradient, noise }) => gradient[index] === 0 && noise < Number.POSITIVE_INFINITY,
  );
  return !untouched && steps.some(({ gradient, noise }) => Math.abs(gradient[index] ?? 0) < noise);
}

/**
 * First-order effect of rounding on Adam's direction m / (sqrt(v) + e), m and v bias-corrected averages
 * of g and g^2 with weights a and b: sum over the gradients of
 * |a / (sqrt(v) + e) - m b g / (sqrt(v) (sqrt(v) + e)^2)| * rounding.
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

/** The gradients' weights a and b in Adam's averages m and v, and the e beside sqrt(v). */
function averagesOf({ flavour, betas: [beta1, beta2], epsilon }: AdamWSettings, count: number) {
  const weights = (beta: number): readonly number[] =>
    Array.from(
      { length: count },
      (_, s) => ((1 - beta) * beta ** (count - 1 - s)) / (1 - beta ** count),
    );
  // transformers adds epsilon before it corrects v's bias, so that it weighs 1 / sqrt(1 - beta2^t).
  const e = flavour === "torch" ? epsilon : epsilon / Math.sqrt(1 - beta2 ** count);
  return { a: weights(beta1), b: weights(beta2), e };
}
