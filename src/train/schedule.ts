/** Learning-rate schedules as in `transformers.get_scheduler` (transformers/optimization.py). */
import { checkInteger, checkNumber, checkOneOf } from "../core/checks.ts";

/** The name of a schedule, as in transformers. */
export type ScheduleName =
  | "constant"
  | "constant_with_warmup"
  | "linear"
  | "cosine"
  | "cosine_with_restarts"
  | "polynomial";

/** Every {@link ScheduleName} in the order of INC's example script. */
export const SCHEDULE_NAMES: readonly ScheduleName[] = Object.freeze([
  "linear",
  "cosine",
  "cosine_with_restarts",
  "polynomial",
  "constant",
  "constant_with_warmup",
] as const);

/** A learning-rate schedule. Steps are optimizer updates, counted from 0. */
export interface LearningRateSchedule {
  readonly name: ScheduleName;
  /** Number of steps in which the rate rises linearly from 0. `constant` ignores it, as in transformers. */
  readonly warmupSteps: number;
  /** Length of the run in steps, over which decaying schedules decay. */
  readonly totalSteps: number;
}

/** The final rate of transformers' polynomial schedule (`lr_end`; its power is 1). */
const POLYNOMIAL_END_RATE = 1e-7;

/** Returns the learning rate at a step. @throws TypeError or RangeError if an argument is invalid */
export function learningRateAt(
  schedule: LearningRateSchedule,
  baseRate: number,
  step: number,
): number {
  checkOneOf("schedule.name", schedule.name, SCHEDULE_NAMES);
  checkInteger("schedule.warmupSteps", schedule.warmupSteps);
  checkInteger("schedule.totalSteps", schedule.totalSteps);
  checkNumber("baseRate", baseRate, 0);
  checkInteger("step", step);
  return baseRate * rateFactor(schedule, baseRate, step);
}

function rateFactor(schedule: LearningRateSchedule, baseRate: number, step: number): number {
  const { name, warmupSteps } = schedule;
  if (name === "constant") return 1;
  if (step < warmupSteps) return step / Math.max(1, warmupSteps);
  const progress = progressAfterWarmup(schedule, step);
  switch (name) {
    case "constant_with_warmup":
      return 1;
    case "linear":
      return Math.max(0, remainingShare(schedule, step));
    case "cosine":
      return Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
    case "cosine_with_restarts":
      return progress >= 1 ? 0 : Math.max(0, 0.5 * (1 + Math.cos(Math.PI * (progress % 1))));
    case "polynomial":
      return polynomialFactor(schedule, baseRate, step);
    default:
      throw new RangeError(`schedule.name: unknown ${String(name satisfies never)}`);
  }
}

/**
 * Returns the progress after the warm-up: 0 at its end, 1 at `totalSteps`, and more than 1 later, when `cosine` rises
 * again.
 */
function progressAfterWarmup({ warmupSteps, totalSteps }: LearningRateSchedule, step: number) {
  return (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
}

/**
 * Returns 1 at the end of the warm-up and 0 at `totalSteps`. It is not computed as 1 - progress, which rounds
 * differently.
 */
function remainingShare({ warmupSteps, totalSteps }: LearningRateSchedule, step: number): number {
  return (totalSteps - step) / Math.max(1, totalSteps - warmupSteps);
}

function polynomialFactor(schedule: LearningRateSchedule, baseRate: number, step: number): number {
  if (baseRate === 0) return 0;
  if (step > schedule.totalSteps) return POLYNOMIAL_END_RATE / baseRate;
  const remaining = 1 - progressAfterWarmup(schedule, step);
  return ((baseRate - POLYNOMIAL_END_RATE) * remaining + POLYNOMIAL_END_RATE) / baseRate;
}
