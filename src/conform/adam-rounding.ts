/**
 * Bounds the difference between the parameters that two correct implementations of AdamW compute from gradients that
 * differ by rounding errors. Adam divides each gradient by roughly its own magnitude, so that a small gradient
 * magnifies its rounding error. A fixed tolerance cannot allow for that. docs/conformance.md derives the bound.
 */
import type { AdamWSettings } from "../train/optimizer.ts";
import { largestMagnitude } from "./difference.ts";

/** Rounding error of one update in two programs, as a share of the parameter's and the update's magnitudes. */
const ROUNDING = 4 * 2 ** -23;

/** The weighted sums of the gradients of one parameter, and the bound for each of its entries. */
export interface RoundingHistory {
  /** Adam's averages of g and of g^2, before bias correction. */
  readonly first: Float64Array;
  readonly second: Float64Array;
  /** The same averages of d and of d^2, where d is the largest possible error of g. */
  readonly firstError: Float64Array;
  readonly secondError: Float64Array;
  /** The largest possible difference of each entry of the parameter. */
  readonly allowed: Float64Array;
  /** The number of updates. */
  updates: number;
}

export function createRoundingHistory(entries: number): RoundingHistory {
  return {
    first: new Float64Array(entries),
    second: new Float64Array(entries),
    firstError: new Float64Array(entries),
    secondError: new Float64Array(entries),
    allowed: new Float64Array(entries),
    updates: 0,
  };
}

/** One update of a parameter. */
interface Update {
  readonly learningRate: number;
  /** The decay of this parameter; 0 if it has none. */
  readonly weightDecay: number;
  readonly gradient: Float32Array;
  /**
   * The largest error of an entry of the gradient, as a share of the largest entry. An entry of 0 has no error. If the
   * share is infinite, the gradient is only rounding noise.
   */
  readonly gradientError: number;
  /** The parameter after the update. */
  readonly value: Float32Array;
}

/**
 * Adds an update to a history. Updates before the first gradient that is not zero do not count, as in
 * `optimizerStepInto`.
 */
export function addUpdateInto(
  history: RoundingHistory,
  settings: AdamWSettings,
  { learningRate, weightDecay, gradient, gradientError, value }: Update,
): void {
  const largest = largestMagnitude(gradient);
  if (history.updates === 0 && largest === 0) return;
  history.updates++;
  const { first, second, firstError, secondError, allowed } = history;
  const [beta1, beta2] = settings.betas;
  const ofStep = stepBound(settings, history.updates);
  const onlyNoise = gradientError === Number.POSITIVE_INFINITY;
  const error = onlyNoise ? 0 : gradientError * largest;
  const keep = Math.abs(1 - learningRate * weightDecay);
  for (let i = 0; i < allowed.length; i++) {
    const g = gradient[i] ?? 0;
    const d = g === 0 ? 0 : error;
    first[i] = beta1 * (first[i] ?? 0) + (1 - beta1) * g;
    second[i] = beta2 * (second[i] ?? 0) + (1 - beta2) * g * g;
    firstError[i] = beta1 * (firstError[i] ?? 0) + (1 - beta1) * d;
    secondError[i] = beta2 * (secondError[i] ?? 0) + (1 - beta2) * d * d;
    const ofDirection = onlyNoise ? 2 * ofStep.largest : ofStep.difference(history, i);
    const before = allowed[i] ?? 0;
    const moved = learningRate * ofDirection;
    const afterDecay =
      settings.flavour === "torch" ? keep * before + moved : keep * (before + moved);
    allowed[i] = afterDecay + ROUNDING * (Math.abs(value[i] ?? 0) + learningRate);
  }
}

/**
 * Returns the bounds for Adam's direction m / (n + e) at an update, where m is the average of g and n the root of the
 * average of g^2, both with corrected bias: `largest` bounds its magnitude, and `difference` the difference of two
 * programs.
 */
function stepBound({ flavour, betas: [beta1, beta2], epsilon }: AdamWSettings, updates: number) {
  const c1 = 1 - beta1 ** updates;
  const c2 = 1 - beta2 ** updates;
  // transformers adds epsilon before it corrects the bias of n, so epsilon is divided by sqrt(c2).
  const e = flavour === "torch" ? epsilon : epsilon / Math.sqrt(c2);
  const largest = largestDirection(beta1, beta2, updates);
  const difference = (history: RoundingHistory, i: number): number => {
    const m = (history.first[i] ?? 0) / c1;
    const d = (history.firstError[i] ?? 0) / c1;
    if (d === 0) return 0;
    if (updates === 1) return firstDifference(m, d, e);
    const n = Math.sqrt((history.second[i] ?? 0) / c2);
    const ofN = Math.sqrt((history.secondError[i] ?? 0) / c2);
    return Math.min((d + largest * ofN) / (n + e), Math.abs(m) / (n + e) + largest);
  };
  return { largest, difference };
}

/** Bounds the difference of the first direction, g / (|g| + e), which increases with g. */
function firstDifference(g: number, d: number, e: number): number {
  const direction = (x: number): number => (x === 0 ? 0 : x / (Math.abs(x) + e));
  const at = direction(g);
  return Math.max(direction(g + d) - at, at - direction(g - d));
}

/**
 * Returns the largest magnitude of a direction: sqrt(sum of w^2 / x) over the updates so far, whose gradients have the
 * weights w in m and x in n^2. This is the inequality of Cauchy and Schwarz.
 */
function largestDirection(beta1: number, beta2: number, updates: number): number {
  let sum = 0;
  for (let age = 0; age < updates; age++) {
    const w = ((1 - beta1) * beta1 ** age) / (1 - beta1 ** updates);
    const x = ((1 - beta2) * beta2 ** age) / (1 - beta2 ** updates);
    if (w > 0) sum += (w * w) / x;
  }
  return Math.sqrt(sum);
}
