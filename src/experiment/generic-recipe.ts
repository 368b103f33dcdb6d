/** Fits the recipe `generic` to a model and to the number of rows. */
import type { Profile } from "../prune/config.ts";
import { phaseEpochs } from "./phase-recipe.ts";
import { type RecipeOverrides, recipeWith } from "./recipe-overrides.ts";
import type { PhaseRecipe, Recipe, SparsePhaseRecipe } from "./recipes.ts";

/** The facts on which the settings depend. */
export interface RecipeFacts {
  readonly hiddenSize: number;
  readonly maxPositions: number;
  readonly trainingRows: number;
}

/** The facts for which {@link fitGeneric} leaves epochs and length as they are. */
export const NOMINAL_FACTS: RecipeFacts = {
  hiddenSize: 256,
  maxPositions: 512,
  trainingRows: 1_000_000,
};

/** The least number of optimizer updates of a phase. */
const LEAST_STEPS = 500;

/** Returns the learning rates of both phases. Measured on BANKING77, STS-B and MRPC with 384; the wider, the lower. */
function ratesFor(hiddenSize: number): { readonly dense: number; readonly sparse: number } {
  if (hiddenSize <= 256) return { dense: 1e-4, sparse: 1e-3 };
  if (hiddenSize <= 512) return { dense: 1e-4, sparse: 2e-4 };
  return { dense: 5e-5, sparse: 1e-4 };
}

/** The profile in which the recipe runs, because `inc` does not train the head. */
export const GENERIC_PROFILE: Profile = "strict";

/** Whether the settings of a recipe depend on the model and the rows. */
export function isGeneric({ task }: Recipe): boolean {
  return task === "any";
}

/**
 * Returns the recipe with its settings for these facts and with all overrides. Epochs are raised until a phase has
 * {@link LEAST_STEPS} updates. A quarter of the sparse epochs follows the last prune step.
 */
export function fitGeneric(base: Recipe, overrides: RecipeOverrides, facts: RecipeFacts): Recipe {
  const { dense, sparse, maxLength } = recipeWith(base, overrides);
  const fitted = {
    ...base,
    maxLength: Math.min(maxLength, facts.maxPositions),
    dense: { ...withLeastSteps(dense, facts), learningRate: ratesFor(facts.hiddenSize).dense },
    sparse: sparse && fitSparse(sparse, overrides, facts),
  };
  return recipeWith(fitted, overrides);
}

function fitSparse(
  phase: SparsePhaseRecipe,
  overrides: RecipeOverrides,
  facts: RecipeFacts,
): SparsePhaseRecipe {
  const raised = withLeastSteps(phase, facts);
  const epochs = phaseEpochs(recipeEpochs(raised, overrides), facts.trainingRows);
  return {
    ...raised,
    sparsityWarmEpochs: Math.min(phase.sparsityWarmEpochs, epochs / 8),
    cooldownEpochs: epochs / 4,
    learningRate: ratesFor(facts.hiddenSize).sparse,
  };
}

/** Returns the phase with the overrides that decide its number of epochs. */
function recipeEpochs(
  phase: SparsePhaseRecipe,
  { numTrainEpochs, perDeviceTrainBatchSize }: RecipeOverrides,
): SparsePhaseRecipe {
  const batchSize = perDeviceTrainBatchSize ?? phase.batchSize;
  return { ...phase, epochs: numTrainEpochs ?? phase.epochs, batchSize };
}

function withLeastSteps<Phase extends PhaseRecipe>(
  phase: Phase,
  { trainingRows }: RecipeFacts,
): Phase {
  const batchSize = Math.min(phase.batchSize, trainingRows);
  const { gradientAccumulationSteps = 1 } = phase;
  const stepsPerEpoch = Math.ceil(Math.ceil(trainingRows / batchSize) / gradientAccumulationSteps);
  const epochs = Math.max(phase.epochs, Math.ceil(LEAST_STEPS / stepsPerEpoch));
  return { ...phase, batchSize, epochs };
}
