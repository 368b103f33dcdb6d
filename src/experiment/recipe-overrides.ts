/** Applies overrides to a recipe. Each override is named like the option of INC's example script, in camelCase. */

import { counted } from "../core/counted.ts";
import type { Problem } from "../core/either.ts";
import type { Profile } from "../prune/config.ts";
import { parsePattern } from "../prune/pattern.ts";
import { plannedEpochs } from "./phase-recipe.ts";
import type { LocalPruningConfig, PhaseRecipe, Recipe, SparsePhaseRecipe } from "./recipes.ts";

/** Overrides for the sparse phase. If a recipe has no sparse phase, they apply to its dense phase. */
interface PhaseOverrides {
  readonly numTrainEpochs?: number | undefined;
  readonly maxTrainSteps?: number | undefined;
  readonly learningRate?: number | undefined;
  readonly weightDecay?: number | undefined;
  readonly lrSchedulerType?: PhaseRecipe["scheduleName"] | undefined;
  readonly numWarmupSteps?: number | undefined;
  readonly perDeviceTrainBatchSize?: number | undefined;
  readonly gradientAccumulationSteps?: number | undefined;
}

type DensePhaseOverrides = {
  readonly [Name in keyof PhaseOverrides as `dense${Capitalize<Name>}`]: PhaseOverrides[Name];
};

/** All overrides for a recipe. */
export interface RecipeOverrides extends PhaseOverrides, DensePhaseOverrides {
  readonly doPrune?: boolean | undefined;
  readonly pruningPattern?: string | undefined;
  readonly targetSparsity?: number | undefined;
  /** The number of steps between prune steps, or -1 for about 40 prune steps, as in INC's example script. */
  readonly pruningFrequency?: number | undefined;
  readonly sparsityWarmEpochs?: number | undefined;
  readonly cooldownEpochs?: number | undefined;
  readonly pruningType?: string | undefined;
  readonly distillLossWeight?: number | undefined;
  readonly distillPadding?: SparsePhaseRecipe["distillationPadding"] | undefined;
  readonly teacherCache?: SparsePhaseRecipe["teacherCache"] | undefined;
  readonly maxSeqLength?: number | undefined;
  /** These apply to the dense and the sparse phase. */
  readonly maxGradNorm?: number | undefined;
  readonly labelSmoothing?: number | undefined;
  readonly padToMaxLength?: boolean | undefined;
  readonly batching?: PhaseRecipe["batching"] | undefined;
  readonly perDeviceEvalBatchSize?: number | undefined;
}

/** The overrides that only have an effect in a sparse phase. */
const PRUNING_OVERRIDES: readonly (keyof RecipeOverrides)[] = [
  "pruningPattern",
  "targetSparsity",
  "pruningFrequency",
  "sparsityWarmEpochs",
  "cooldownEpochs",
  "pruningType",
  "distillLossWeight",
  "distillPadding",
  "teacherCache",
];

function phaseWith<Phase extends PhaseRecipe>(phase: Phase, overrides: PhaseOverrides): Phase {
  return {
    ...phase,
    epochs: overrides.numTrainEpochs ?? phase.epochs,
    learningRate: overrides.learningRate ?? phase.learningRate,
    weightDecay: overrides.weightDecay ?? phase.weightDecay,
    scheduleName: overrides.lrSchedulerType ?? phase.scheduleName,
    warmupSteps: overrides.numWarmupSteps ?? phase.warmupSteps,
    batchSize: overrides.perDeviceTrainBatchSize ?? phase.batchSize,
    ...stated("maxTrainSteps", overrides.maxTrainSteps),
    ...stated("gradientAccumulationSteps", overrides.gradientAccumulationSteps),
  };
}

/** Returns an object with the entry, or without any if the value is undefined. */
function stated<Name extends string, T>(
  name: Name,
  value: T | undefined,
): { readonly [Key in Name]?: T } {
  return value === undefined ? {} : ({ [name]: value } as { readonly [Key in Name]: T });
}

/** The settings that both phases share. */
function sharedSettings({ batching, maxGradNorm, labelSmoothing }: RecipeOverrides) {
  return {
    ...stated("batching", batching),
    ...stated("maxGradNorm", maxGradNorm),
    ...stated("labelSmoothing", labelSmoothing),
  };
}

function denseOverrides(overrides: DensePhaseOverrides): PhaseOverrides {
  return {
    numTrainEpochs: overrides.denseNumTrainEpochs,
    maxTrainSteps: overrides.denseMaxTrainSteps,
    gradientAccumulationSteps: overrides.denseGradientAccumulationSteps,
    learningRate: overrides.denseLearningRate,
    weightDecay: overrides.denseWeightDecay,
    lrSchedulerType: overrides.denseLrSchedulerType,
    numWarmupSteps: overrides.denseNumWarmupSteps,
    perDeviceTrainBatchSize: overrides.densePerDeviceTrainBatchSize,
  };
}

/** Removes keys from local configurations that would take precedence over an override, and sets `pruning_type`. */
function localConfigsWith(
  configs: readonly LocalPruningConfig[],
  { pruningPattern, targetSparsity, pruningFrequency, pruningType }: RecipeOverrides,
): readonly LocalPruningConfig[] {
  const options = {
    pattern: pruningPattern,
    target_sparsity: targetSparsity,
    pruning_frequency: pruningFrequency,
  };
  const given = new Map(Object.entries(options).filter(([, value]) => value !== undefined));
  return configs.map((config) => ({
    ...Object.fromEntries(Object.entries(config).filter(([key]) => !given.has(key))),
    ...(pruningType === undefined ? {} : { pruning_type: pruningType }),
  }));
}

function sparsePhaseWith(phase: SparsePhaseRecipe, overrides: RecipeOverrides): SparsePhaseRecipe {
  const { pruningFrequency = phase.pruningFrequency } = overrides;
  const distillationWeight = overrides.distillLossWeight ?? phase.distillationWeight;
  // Distillation does not read labels.
  const labelSmoothing = distillationWeight > 0 ? undefined : overrides.labelSmoothing;
  return {
    ...phaseWith(phase, overrides),
    pattern: overrides.pruningPattern ?? phase.pattern,
    targetSparsity: overrides.targetSparsity ?? targetFor(overrides.pruningPattern, phase),
    pruningFrequency: pruningFrequency === -1 ? "auto" : pruningFrequency,
    sparsityWarmEpochs: overrides.sparsityWarmEpochs ?? phase.sparsityWarmEpochs,
    cooldownEpochs: overrides.cooldownEpochs ?? phase.cooldownEpochs,
    distillationWeight,
    distillationPadding: overrides.distillPadding ?? phase.distillationPadding,
    teacherCache: overrides.teacherCache ?? phase.teacherCache,
    ...sharedSettings({ ...overrides, labelSmoothing }),
    pruningConfigs: localConfigsWith(phase.pruningConfigs, overrides),
  };
}

const BLOCK_TARGET = 0.9;
const CHANNEL_TARGET = 0.6;

/** Returns the phase's target, or for another pattern all that N:M allows, or less if whole channels are pruned. */
function targetFor(text: string | undefined, phase: SparsePhaseRecipe): number {
  const pattern = text === undefined || text === phase.pattern ? undefined : parsePattern(text);
  if (pattern === undefined) return phase.targetSparsity;
  if (pattern.kind === "group") return pattern.prune / pattern.of;
  const isWhole = pattern.height === "channel" || pattern.width === "channel";
  return isWhole ? CHANNEL_TARGET : BLOCK_TARGET;
}

/**
 * Applies all overrides to a recipe. Without a sparse phase, overrides such as `learningRate` apply to the dense phase,
 * as in INC's example script without `--do_prune`.
 */
export function recipeWith(recipe: Recipe, overrides: RecipeOverrides): Recipe {
  const sparse = overrides.doPrune === false ? null : recipe.sparse;
  const dense = sparse === null ? phaseWith(recipe.dense, overrides) : recipe.dense;
  return {
    ...recipe,
    maxLength: overrides.maxSeqLength ?? recipe.maxLength,
    evaluationBatchSize: overrides.perDeviceEvalBatchSize ?? recipe.evaluationBatchSize,
    ...stated("padToMaxLength", overrides.padToMaxLength),
    dense: {
      ...phaseWith(dense, denseOverrides(overrides)),
      ...sharedSettings(overrides),
    },
    sparse: sparse === null ? null : sparsePhaseWith(sparse, overrides),
  };
}

/**
 * Returns a problem for each override that contradicts the recipe or another override. The epochs of `maxTrainSteps`
 * are known only with the number of training rows.
 */
export function overrideProblems(
  recipe: Recipe,
  overrides: RecipeOverrides,
  run?: { readonly rows: number; readonly profile: Profile },
): readonly Problem[] {
  const { sparse } = recipeWith(recipe, overrides);
  if (sparse === null) {
    const asked = PRUNING_OVERRIDES.filter((name) => overrides[name] !== undefined);
    if (recipe.sparse === null && overrides.doPrune === true) asked.push("doPrune");
    const got = recipe.sparse === null ? `the recipe ${recipe.name}` : "`doPrune` false";
    return asked.map((key) => ({ path: `\`${key}\``, expected: "a run that prunes", got }));
  }
  const { sparsityWarmEpochs, cooldownEpochs, maxTrainSteps } = sparse;
  if (maxTrainSteps !== undefined && run === undefined) return [];
  const epochs = run === undefined ? sparse.epochs : plannedEpochs(sparse, run.rows, run.profile);
  if (epochs > sparsityWarmEpochs + cooldownEpochs) return [];
  const expected = `more than ${sparsityWarmEpochs} warm-up and ${counted(cooldownEpochs, "cool-down epoch")}`;
  return maxTrainSteps === undefined
    ? [{ path: "`numTrainEpochs`", expected, got: String(epochs) }]
    : [
        {
          path: "`maxTrainSteps`",
          expected,
          got: `${counted(maxTrainSteps, "step")}, ${counted(Number(epochs.toFixed(2)), "epoch")}`,
        },
      ];
}
