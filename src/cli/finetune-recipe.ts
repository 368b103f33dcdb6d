/** Changes a recipe by the options of a command line. */

import type { Problem } from "../core/either.ts";
import type {
  LocalPruningConfig,
  PhaseRecipe,
  Recipe,
  SparsePhaseRecipe,
} from "../experiment/recipes.ts";
import type { Padding } from "../model/token-rows.ts";
import type { Batching } from "../train/batches.ts";
import type { ScheduleName } from "../train/schedule.ts";
import type { TeacherPrecision } from "../train/teacher-cache.ts";
import { kebabCase } from "./options.ts";

/** Options that pruning alone understands. */
export interface PruningOverrides {
  readonly pruningPattern?: string;
  readonly targetSparsity?: number;
  /** -1: as many steps apart as make 40 prune steps, the example script's meaning. */
  readonly pruningFrequency?: number;
  readonly sparsityWarmEpochs?: number;
  readonly cooldownEpochs?: number;
  readonly pruningType?: string;
  readonly distillLossWeight?: number;
  readonly distillPadding?: Padding;
  readonly teacherCache?: TeacherPrecision | "off";
}

/** Options of the sparse phase, or of the dense one where that is the only one. */
export interface PhaseOverrides {
  readonly numTrainEpochs?: number;
  readonly learningRate?: number;
  readonly weightDecay?: number;
  readonly lrSchedulerType?: ScheduleName;
  readonly numWarmupSteps?: number;
  readonly perDeviceTrainBatchSize?: number;
}

/** Options of the dense phase before a sparse one. */
export interface DensePhaseOverrides {
  readonly denseNumTrainEpochs?: number;
  readonly denseLearningRate?: number;
  readonly denseWeightDecay?: number;
  readonly denseLrSchedulerType?: ScheduleName;
  readonly denseNumWarmupSteps?: number;
  readonly densePerDeviceTrainBatchSize?: number;
}

/** Every option that changes a recipe. */
export interface RecipeOverrides extends PruningOverrides, PhaseOverrides, DensePhaseOverrides {
  readonly doPrune?: boolean;
  readonly maxSeqLength?: number;
  /** Of both phases. */
  readonly batching?: Batching;
  readonly perDeviceEvalBatchSize?: number;
}

const PRUNING_OVERRIDES: readonly (keyof PruningOverrides)[] = [
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
  };
}

function densePhaseWith(phase: PhaseRecipe, overrides: DensePhaseOverrides): PhaseRecipe {
  return {
    ...phase,
    epochs: overrides.denseNumTrainEpochs ?? phase.epochs,
    learningRate: overrides.denseLearningRate ?? phase.learningRate,
    weightDecay: overrides.denseWeightDecay ?? phase.weightDecay,
    scheduleName: overrides.denseLrSchedulerType ?? phase.scheduleName,
    warmupSteps: overrides.denseNumWarmupSteps ?? phase.warmupSteps,
    batchSize: overrides.densePerDeviceTrainBatchSize ?? phase.batchSize,
  };
}

/** Local configurations in which an option holds that they would otherwise override. */
function localConfigsWith(
  configs: readonly LocalPruningConfig[],
  { pruningPattern, targetSparsity, pruningFrequency, pruningType }: PruningOverrides,
): readonly LocalPruningConfig[] {
  const overridden = [
    ...(pruningPattern === undefined ? [] : ["pattern"]),
    ...(targetSparsity === undefined ? [] : ["target_sparsity"]),
    ...(pruningFrequency === undefined ? [] : ["pruning_frequency"]),
  ];
  return configs.map((config) => ({
    ...Object.fromEntries(Object.entries(config).filter(([key]) => !overridden.includes(key))),
    ...(pruningType === undefined ? {} : { pruning_type: pruningType }),
  }));
}

function sparsePhaseWith(phase: SparsePhaseRecipe, overrides: RecipeOverrides): SparsePhaseRecipe {
  const { pruningFrequency = phase.pruningFrequency } = overrides;
  return {
    ...phaseWith(phase, overrides),
    pattern: overrides.pruningPattern ?? phase.pattern,
    targetSparsity: overrides.targetSparsity ?? phase.targetSparsity,
    pruningFrequency: pruningFrequency === -1 ? "auto" : pruningFrequency,
    sparsityWarmEpochs: overrides.sparsityWarmEpochs ?? phase.sparsityWarmEpochs,
    cooldownEpochs: overrides.cooldownEpochs ?? phase.cooldownEpochs,
    distillationWeight: overrides.distillLossWeight ?? phase.distillationWeight,
    distillationPadding: overrides.distillPadding ?? phase.distillationPadding,
    teacherCache: overrides.teacherCache ?? phase.teacherCache,
    batching: overrides.batching ?? phase.batching,
    pruningConfigs: localConfigsWith(phase.pruningConfigs, overrides),
  };
}

/** Whether a run of this recipe with these options prunes. */
function prunes(recipe: Recipe, { doPrune }: RecipeOverrides): boolean {
  return recipe.sparse !== null && doPrune !== false;
}

/**
 * The recipe with every option applied. Where nothing is pruned, the phase options are the dense phase's, as in
 * the example script without `--do_prune`.
 */
export function recipeWith(recipe: Recipe, overrides: RecipeOverrides): Recipe {
  const sparse = prunes(recipe, overrides) ? recipe.sparse : null;
  const dense = sparse === null ? phaseWith(recipe.dense, overrides) : recipe.dense;
  return {
    ...recipe,
    maxLength: overrides.maxSeqLength ?? recipe.maxLength,
    evaluationBatchSize: overrides.perDeviceEvalBatchSize ?? recipe.evaluationBatchSize,
    dense: {
      ...densePhaseWith(dense, overrides),
      batching: overrides.batching ?? dense.batching,
    },
    sparse: sparse === null ? null : sparsePhaseWith(sparse, overrides),
  };
}

/** Everything that keeps the options from making sense together with the recipe. */
export function overrideProblems(recipe: Recipe, overrides: RecipeOverrides): readonly Problem[] {
  const { sparse } = recipeWith(recipe, overrides);
  if (sparse === null) {
    const asked = PRUNING_OVERRIDES.filter((name) => overrides[name] !== undefined);
    const pruning = recipe.sparse === null && overrides.doPrune === true ? ["doPrune"] : [];
    return [...asked, ...pruning].map((name) => ({
      path: `--${kebabCase(name)}`,
      expected: "a run that prunes",
      got: recipe.sparse === null ? `the recipe ${recipe.name}` : "--do-prune false",
    }));
  }
  const { epochs, sparsityWarmEpochs, cooldownEpochs } = sparse;
  if (epochs > sparsityWarmEpochs + cooldownEpochs) return [];
  return [
    {
      path: "--num-train-epochs",
      expected: `more than ${sparsityWarmEpochs} warm-up and ${cooldownEpochs} cool-down epochs`,
      got: String(epochs),
    },
  ];
}
