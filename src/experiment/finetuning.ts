/** Plans a fine-tuning from its options and from what they name. */

import type { PruningKeys } from "../checkpoint/pruning-config-file.ts";
import { type Either, InputError, left, type Problem, refuse, right } from "../core/either.ts";
import type { Example, GlueTask } from "../io/glue.ts";
import type { Vocabulary } from "../io/vocabulary.ts";
import type { ModelConfig } from "../model/config.ts";
import type { Profile } from "../prune/config.ts";
import { trainingSettings } from "../train/settings.ts";
import type { SparseProductsSetting } from "../train/sparse-switch.ts";
import type { TextExperiment } from "./plan.ts";
import { checkPruning, commonPattern } from "./pruning-check.ts";
import { overrideProblems, type RecipeOverrides, recipeWith } from "./recipe-overrides.ts";
import { pruningSteps, RECIPES, type Recipe, recipePruningConfig } from "./recipes.ts";
import {
  checkTeacher,
  type LoadedModel,
  type Named,
  startFromModel,
  startFromVocabulary,
} from "./starting-model.ts";

/** What decides how a model is trained. Problems name an option by its key here. */
export interface FinetuningOptions extends RecipeOverrides {
  readonly task: GlueTask;
  /** Default: to 4x1 blocks, from BERT-mini. */
  readonly recipe?: string | undefined;
  readonly profile?: Profile | undefined;
  readonly sparseProducts?: SparseProductsSetting | undefined;
}

/** What a fine-tuning reads. */
export interface FinetuningInputs {
  readonly training: readonly Example[];
  readonly evaluation: readonly Example[];
  /** A model, with a vocabulary that must be its own; or a vocabulary and random weights of the recipe's model. */
  readonly start:
    | { readonly model: Named<LoadedModel>; readonly vocabulary: Named<Vocabulary> | undefined }
    | { readonly model: undefined; readonly vocabulary: Named<Vocabulary> };
  readonly teacher: Named<LoadedModel> | undefined;
  /** Replaces the recipe's; the keys of the schedule may be absent. */
  readonly pruningConfig: Named<PruningKeys> | undefined;
}

/** A fine-tuning that can run. */
export interface PlannedFinetuning {
  readonly experiment: TextExperiment;
  /** Lines for the user: which tensors of the given models are not used, and which are new. */
  readonly notices: readonly string[];
}

/** The recipe with every option applied. */
export function chooseRecipe(options: FinetuningOptions): Either<readonly Problem[], Recipe> {
  const { task, recipe: name = `bertmini-${task}-4x1` } = options;
  const base = RECIPES.find((recipe) => recipe.name === name);
  if (base === undefined) {
    const names = RECIPES.map((recipe) => recipe.name).join(", ");
    return refuse("recipe", `one of ${names}`, JSON.stringify(name));
  }
  if (base.task !== task)
    return refuse("recipe", `a recipe for ${task}`, `${base.name}, which is for ${base.task}`);
  const problems = overrideProblems(base, options);
  return problems.length > 0 ? left(problems) : right(recipeWith(base, options));
}

/**
 * Plans a fine-tuning.
 *
 * @param recipe from {@link chooseRecipe}
 * @throws PruningError when the pruning configuration cannot be carried out on the model
 */
export function planFinetuning(
  recipe: Recipe,
  options: FinetuningOptions,
  inputs: FinetuningInputs,
): Either<readonly Problem[], PlannedFinetuning> {
  const { training, evaluation, start: given, teacher: givenTeacher, pruningConfig } = inputs;
  const start =
    given.model === undefined
      ? startFromVocabulary(recipe.model, given.vocabulary)
      : startFromModel(given.model, given.vocabulary, recipe.dense.epochs === 0);
  const { config } = start.value;
  const teacher =
    givenTeacher &&
    checkTeacher("teacherModelNameOrPath", givenTeacher, start.value, recipe.maxLength);
  const problems = [
    ...start.problems,
    ...lengthProblems(recipe, config),
    ...(teacher?.problems ?? []),
  ];
  if (problems.length > 0) return left(problems);
  const { profile = trainingSettings().profile, sparseProducts } = options;
  const pruning = planPruning(recipe, pruningConfig, config, profile, training.length);
  if (pruning.problems.length > 0) return left(pruning.problems);
  const experiment: TextExperiment = {
    config,
    initialTensors: start.value.tensors,
    tokenizer: start.value.tokenizer,
    recipes: [pruning.recipe],
    profile,
    sparseProducts,
    teacher: teacher?.value,
    pruningConfig: pruning.keys,
    trainingRows: training,
    evaluationRows: evaluation,
  };
  return right({ experiment, notices: [...start.notices, ...(teacher?.notices ?? [])] });
}

function lengthProblems({ maxLength }: Recipe, { maxPositions }: ModelConfig): readonly Problem[] {
  if (maxLength <= maxPositions) return [];
  const expected = `at most the model's ${maxPositions} positions`;
  return [{ path: "maxSeqLength", expected, got: String(maxLength) }];
}

/** A recipe and the pruning configuration that replaces its own, tried on the model. */
interface PlannedPruning {
  readonly recipe: Recipe;
  readonly keys: PruningKeys | undefined;
  readonly problems: readonly Problem[];
}

function planPruning(
  recipe: Recipe,
  given: Named<PruningKeys> | undefined,
  model: ModelConfig,
  profile: Profile,
  rows: number,
): PlannedPruning {
  const { sparse } = recipe;
  if (sparse === null) return { recipe, keys: undefined, problems: [] };
  if (given === undefined) {
    checkPruning(recipePruningConfig(sparse, rows), model, profile);
    return { recipe, keys: undefined, problems: [] };
  }
  const { startStep, endStep, pruningFrequency } = pruningSteps(sparse, rows);
  const keys = {
    target_sparsity: sparse.targetSparsity,
    start_step: startStep,
    end_step: endStep,
    pruning_frequency: pruningFrequency,
    ...given.value,
  };
  try {
    const pattern = commonPattern(checkPruning(keys, model, profile));
    return { recipe: { ...recipe, sparse: { ...sparse, pattern } }, keys, problems: [] };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const problems = error.problems.map((each) => ({
      ...each,
      path: `${given.path}: ${each.path}`,
    }));
    return { recipe, keys, problems };
  }
}
