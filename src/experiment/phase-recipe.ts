/** The settings of a training phase, and the batches, updates and epochs that follow from them. */
import type { Profile } from "../prune/config.ts";
import type { Batching } from "../train/batches.ts";
import type { ScheduleName } from "../train/schedule.ts";
import type { TrainingSettings } from "../train/settings.ts";
import { epochsOfRun } from "../train/stepping.ts";

/** The hyperparameters of a training phase. */
export interface PhaseRecipe {
  readonly epochs: number;
  /** The most evaluations; they are after every n-th epoch, and after the last. Default: after each epoch. */
  readonly evaluations?: number;
  readonly batchSize: number;
  readonly batching: Batching;
  readonly learningRate: number;
  readonly scheduleName: ScheduleName;
  readonly warmupSteps: number;
  readonly weightDecay: number;
  /** AdamW's beta1 and beta2. */
  readonly betas: readonly [number, number];
  readonly epsilon: number;
  /** Batches of one update. Default 1. */
  readonly gradientAccumulationSteps?: number | undefined;
  /** Updates of the phase, instead of `epochs`. */
  readonly maxTrainSteps?: number | undefined;
  /** The largest norm of all gradients. Default: any. */
  readonly maxGradNorm?: number | undefined;
  /** The share of each label that all classes divide among them. Default 0. */
  readonly labelSmoothing?: number | undefined;
  /** A weight above 0 for each class. Default: all 1. */
  readonly classWeights?: readonly number[] | undefined;
}

/** Returns the number of batches in an epoch. */
export function batchesOf({ batchSize }: PhaseRecipe, exampleCount: number): number {
  return Math.ceil(exampleCount / batchSize);
}

/** Returns the settings that divide the batches of a phase into updates. */
export function steppingOf(
  { gradientAccumulationSteps = 1, maxTrainSteps }: PhaseRecipe,
  profile: Profile,
): Pick<TrainingSettings, "gradientAccumulationSteps" | "maxTrainSteps" | "profile"> {
  return { gradientAccumulationSteps, maxTrainSteps: maxTrainSteps ?? null, profile };
}

/** Returns the number of epochs of a phase, which `maxTrainSteps` determines if it is given. */
export function phaseEpochs(phase: PhaseRecipe, exampleCount: number): number {
  const batches = batchesOf(phase, exampleCount);
  return epochsOfRun(batches, phase.epochs, steppingOf(phase, "inc"));
}

/** Returns the number of epochs from one evaluation to the next, of which the last follows the last epoch. */
export function epochsPerEvaluation({ evaluations }: PhaseRecipe, epochs: number): number {
  return Math.max(1, Math.ceil(epochs / Math.max(1, evaluations ?? epochs)));
}

/** Returns the number of evaluations in a phase of `epochs` epochs. */
export function evaluationCount(phase: PhaseRecipe, epochs: number): number {
  return Math.ceil(epochs / epochsPerEvaluation(phase, epochs));
}

/**
 * Returns the epochs over which pruning is planned. With `maxTrainSteps`, the example script plans whole epochs, of which
 * the last one may be cut; under `strict` the plan ends with the run.
 */
export function plannedEpochs(phase: PhaseRecipe, exampleCount: number, profile: Profile): number {
  const epochs = phaseEpochs(phase, exampleCount);
  const { maxTrainSteps, batchSize, gradientAccumulationSteps = 1 } = phase;
  if (maxTrainSteps === undefined || profile === "inc") return epochs;
  return Math.min(epochs, (maxTrainSteps * batchSize * gradientAccumulationSteps) / exampleCount);
}
