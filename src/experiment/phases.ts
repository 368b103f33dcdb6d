/** Turns a recipe's phases into the settings of training runs. */
import type { Profile } from "../prune/config.ts";
import { parameterRules } from "../train/optimizer.ts";
import type { TrainingSettings } from "../train/settings.ts";
import type { SparseProductsSetting } from "../train/sparse-switch.ts";
import { type PhaseRecipe, recipePruningConfig, type SparsePhaseRecipe } from "./recipes.ts";

/** What a phase's settings depend on beside its recipe. */
export interface PhaseContext {
  readonly seed: number;
  readonly profile: Profile;
  /** Number of training rows. */
  readonly exampleCount: number;
  /** Default `auto`. */
  readonly sparseProducts?: SparseProductsSetting;
}

/** The settings of a dense phase. */
export function densePhaseSettings(phase: PhaseRecipe, context: PhaseContext): TrainingSettings {
  const { seed, profile, exampleCount, sparseProducts = "auto" } = context;
  return {
    seed,
    profile,
    batching: phase.batching,
    optimizer: {
      flavour: "transformers",
      learningRate: phase.learningRate,
      betas: phase.betas,
      epsilon: phase.epsilon,
      weightDecay: phase.weightDecay,
    },
    parameterRules: parameterRules(profile),
    schedule: {
      name: phase.scheduleName,
      warmupSteps: phase.warmupSteps,
      totalSteps: phase.epochs * Math.ceil(exampleCount / phase.batchSize),
    },
    pruning: null,
    teacherCache: "off",
    distillation: null,
    sparseProducts,
  };
}

/**
 * The settings of a sparse phase. `pruning` takes the place of the recipe's pruning configuration.
 */
export function sparsePhaseSettings(
  phase: SparsePhaseRecipe,
  context: PhaseContext,
  pruning: unknown = recipePruningConfig(phase, context.exampleCount),
): TrainingSettings {
  const { distillationWeight: weight, distillationPadding: padding } = phase;
  return {
    ...densePhaseSettings(phase, context),
    pruning,
    teacherCache: phase.teacherCache,
    distillation: weight === 0 ? null : { kind: "last-hidden-state", weight, padding },
  };
}
