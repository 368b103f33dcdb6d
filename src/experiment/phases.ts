/** Turns a recipe's phases into the settings of training runs. */
import type { Profile } from "../prune/config.ts";
import { parameterRules } from "../train/optimizer.ts";
import type { TrainingSettings } from "../train/settings.ts";
import type { SparseProductsSetting } from "../train/sparse-switch.ts";
import { type PhaseRecipe, recipePruningConfig, type SparsePhaseRecipe } from "./recipes.ts";

/** What a phase's settings depend on, besides its recipe. */
interface PhaseContext {
  readonly seed: number;
  readonly profile: Profile;
  readonly sparseProducts: SparseProductsSetting;
  /** Number of training rows. */
  readonly exampleCount: number;
}

/** The training settings of a dense phase. */
export function densePhaseSettings(
  phase: PhaseRecipe,
  { seed, profile, sparseProducts, exampleCount }: PhaseContext,
): TrainingSettings {
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
      totalSteps: phaseSteps(phase, exampleCount),
    },
    pruning: null,
    teacherCache: "off",
    distillation: null,
    sparseProducts,
  };
}

/** The settings of a sparse phase. `pruning` replaces the recipe's pruning configuration. */
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

/** Optimizer updates of a phase. */
export function phaseSteps({ epochs, batchSize }: PhaseRecipe, exampleCount: number): number {
  return epochs * Math.ceil(exampleCount / batchSize);
}
