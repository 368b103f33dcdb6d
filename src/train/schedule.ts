/** Learning-rate schedules as in `transformers.get_scheduler` (transformers/optimization.py). */
import { checkInteger, checkNumber, checkOneOf, checkOptions } from "../core/checks.ts";
import { cos, pow } from "../core/real.ts";

/** The name of a schedule, as in transformers. */
export type ScheduleName =
  | "constant"
  | "constant_with_warmup"
  | "linear"
  | "cosine"
  | "cosine_with_restarts"
  | "polynomial"
  | "inverse_sqrt";

/** A learning-rate schedule. Steps are optimizer updates, counted from 0. */
export interface LearningRateSchedule {
  readonly name: ScheduleName;
  /** Number of steps in which the rate rises linearly from 0. `constant` ignores it, as in transformers. */
  readonly warmupSteps: number;
  /** Length of the run in steps, over which decaying schedules decay. */
  readonly totalSteps: number;
  /** Number of periods of `cosine` (default 0.5: down to 0) and of `cosine_with_restarts` (default 1). */
  readonly cycles?: number;
  /** Exponent of `polynomial` (default 1). */
  readonly power?: number;
  /** Final rate of `polynomial` (default 1e-7). */
  readonly endRate?: number;
  /** Time scale of `inverse_sqrt` in steps (default: the warm-up, or 10000 without one). */
  readonly timescale?: number;
}

/** The keys of a schedule. */
export const SCHEDULE_SETTINGS: readonly (keyof LearningRateSchedule)[] = [
  "name",
  "warmupSteps",
  "totalSteps",
  "cycles",
  "power",
  "endRate",
  "timescale",
];

interface ScheduleRule {
  readonly hasWarmup: boolean;
  /** Returns the share of the base rate at a step after the warm-up. */
  readonly factor: (schedule: LearningRateSchedule, step: number, baseRate: number) => number;
}

/** Each schedule, in the order of INC's example script. `inverse_sqrt` is not in it. */
const SCHEDULES: Readonly<Record<ScheduleName, ScheduleRule>> = {
  linear: {
    hasWarmup: true,
    // Not computed as 1 - progress, which rounds differently.
    factor: ({ warmupSteps, totalSteps }, step) =>
      Math.max(0, (totalSteps - step) / Math.max(1, totalSteps - warmupSteps)),
  },
  cosine: {
    hasWarmup: true,
    factor: (schedule, step) =>
      raisedCosine(2 * (schedule.cycles ?? 0.5) * progressAfterWarmup(schedule, step)),
  },
  cosine_with_restarts: {
    hasWarmup: true,
    factor: (schedule, step) => {
      const progress = progressAfterWarmup(schedule, step);
      return progress >= 1 ? 0 : raisedCosine(((schedule.cycles ?? 1) * progress) % 1);
    },
  },
  polynomial: { hasWarmup: true, factor: polynomialFactor },
  constant: { hasWarmup: false, factor: () => 1 },
  constant_with_warmup: { hasWarmup: true, factor: () => 1 },
  inverse_sqrt: {
    hasWarmup: true,
    factor: ({ warmupSteps, timescale = warmupSteps > 0 ? warmupSteps : 10_000 }, step) =>
      1 / Math.sqrt((step + (timescale - warmupSteps)) / timescale),
  },
};

/** Every {@link ScheduleName}. */
export const SCHEDULE_NAMES: readonly ScheduleName[] = Object.freeze(
  Object.keys(SCHEDULES) as ScheduleName[],
);

/** Returns the learning rate at a step. @throws TypeError or RangeError if an argument is invalid */
export function learningRateAt(
  schedule: LearningRateSchedule,
  baseRate: number,
  step: number,
): number {
  checkSchedule(schedule);
  checkNumber("baseRate", baseRate, 0);
  checkInteger("step", step);
  const { hasWarmup, factor } = SCHEDULES[schedule.name];
  if (hasWarmup && step < schedule.warmupSteps) return baseRate * (step / schedule.warmupSteps);
  return baseRate * factor(schedule, step, baseRate);
}

function checkSchedule(schedule: LearningRateSchedule): void {
  checkOptions("schedule", schedule, SCHEDULE_SETTINGS);
  checkOneOf("schedule.name", schedule.name, SCHEDULE_NAMES);
  checkInteger("schedule.warmupSteps", schedule.warmupSteps);
  checkInteger("schedule.totalSteps", schedule.totalSteps);
  const { cycles, power, endRate, timescale } = schedule;
  if (cycles !== undefined) checkNumber("schedule.cycles", cycles, 0, 1e6);
  if (power !== undefined) checkNumber("schedule.power", power, 0, 100);
  if (endRate !== undefined) checkNumber("schedule.endRate", endRate, 0);
  if (timescale !== undefined) checkNumber("schedule.timescale", timescale, 1);
}

/**
 * Returns the progress after the warm-up: 0 at its end, 1 at `totalSteps`, and more than 1 later, when `cosine` rises
 * again.
 */
function progressAfterWarmup({ warmupSteps, totalSteps }: LearningRateSchedule, step: number) {
  return (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
}

/** Falls from 1 to 0 in one half turn, and rises to 1 again in the next. */
function raisedCosine(halfTurns: number): number {
  return Math.max(0, 0.5 * (1 + cos(Math.PI * (halfTurns % 2))));
}

/**
 * transformers divides by zero at `totalSteps` if the warm-up has the same length. Here, the rate is `endRate` from
 * `totalSteps` on.
 */
function polynomialFactor(schedule: LearningRateSchedule, step: number, baseRate: number): number {
  const { totalSteps, power = 1, endRate = 1e-7 } = schedule;
  if (baseRate === 0) return 0;
  if (step >= totalSteps) return endRate / baseRate;
  const remaining = 1 - progressAfterWarmup(schedule, step);
  return ((baseRate - endRate) * powerOf(remaining, power) + endRate) / baseRate;
}

/** {@link pow}, with 0 for results too small for it. */
function powerOf(base: number, exponent: number): number {
  return base > 0 && Math.log(base) * exponent < -660 ? 0 : pow(base, exponent);
}
