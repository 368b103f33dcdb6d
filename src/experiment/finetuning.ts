/** Plans a fine-tuning run from a request, and from the contents of the files and models that the request names. */

import type { PruningKeys } from "../checkpoint/pruning-config-file.ts";
import {
  type Either,
  InputError,
  isLeft,
  left,
  type Problem,
  prefixPaths,
  right,
  unlessProblems,
} from "../core/either.ts";
import type { Example, GlueTask } from "../io/glue.ts";
import type { TokenizerKind } from "../io/hugging-face.ts";
import type { WordPieceVocabulary } from "../io/vocabulary.ts";
import type { ModelConfig } from "../model/config.ts";
import { moduleList } from "../model/modules.ts";
import type { Profile, PruningConfig } from "../prune/config.ts";
import { elementCount, PruningError } from "../prune/layer.ts";
import { formatPattern } from "../prune/pattern.ts";
import { initialiseTrainingPruning, parseTrainingPruning } from "../train/pruning.ts";
import { trainingSettings } from "../train/settings.ts";
import { KIND_OF_MODULE } from "../train/trainable-model.ts";
import { type Named, pairProblems } from "./model-fit.ts";
import type { RunDescription } from "./plan.ts";
import { overrideProblems, type RecipeOverrides, recipeWith } from "./recipe-overrides.ts";
import { pruningSteps, RECIPES, type Recipe, recipePruningConfig } from "./recipes.ts";
import {
  checkTeacher,
  type LoadedModel,
  startFromModel,
  startFromVocabulary,
} from "./starting-model.ts";

/** The options of a fine-tuning run. Problems refer to an option by its key in this type, in backticks. */
export interface FinetuningRequest
  extends RecipeOverrides,
    Pick<RunDescription, "profile" | "sparseProducts" | "variant"> {
  readonly task: GlueTask;
  /** The name of a recipe. Default: the recipe that prunes BERT-mini to 4x1 blocks for this task. */
  readonly recipe?: string | undefined;
  /** A directory with the files train.tsv and dev.tsv of the task. */
  readonly data?: string | undefined;
  /** The paths of files to read instead of train.tsv (`trainFile`) and dev.tsv (`validationFile`). */
  readonly trainFile?: string | undefined;
  readonly validationFile?: string | undefined;
  /** The directory of a model to start from. */
  readonly model?: string | undefined;
  /** The path of a vocabulary file. Without a `model`, training starts from random weights. */
  readonly vocab?: string | undefined;
  readonly pruningConfig?: string | undefined;
  /** The directory of the teacher model. */
  readonly teacherModelNameOrPath?: string | undefined;
  /** Which tokenizer of the models to read. Default: the fast one if there is a tokenizer.json. */
  readonly tokenizer?: TokenizerKind | undefined;
  /** The memory, in MiB per seed, in which the teacher's results may be cached. */
  readonly teacherCacheBudget?: number | undefined;
}

/** The contents of the files and models that a request names. */
export interface FinetuningInputs {
  readonly trainingRows: readonly Example[];
  readonly evaluationRows: readonly Example[];
  readonly model: Named<LoadedModel> | undefined;
  /** Required without a model. With a model, it must equal the model's vocabulary. */
  readonly vocabulary: Named<WordPieceVocabulary> | undefined;
  readonly teacher: Named<LoadedModel> | undefined;
  /** Replaces the recipe's pruning configuration. The recipe supplies missing schedule keys and a missing target. */
  readonly pruningConfig: Named<PruningKeys> | undefined;
}

export interface PlannedFinetuning {
  readonly description: RunDescription;
  /** Messages for the user about stored tensors that are not used and tensors that are newly initialised. */
  readonly notices: readonly string[];
}

/** Checks that a request names a task, the task's rows, and a model or vocabulary to start from. */
export function missingSources(request: Partial<FinetuningRequest>): readonly Problem[] {
  const { task, data, trainFile, validationFile, model, vocab } = request;
  const missing = (path: string, expected: string, isThere: boolean): readonly Problem[] =>
    isThere ? [] : [{ path, expected, got: "nothing" }];
  const hasRows = data !== undefined || (trainFile !== undefined && validationFile !== undefined);
  const start = "a model directory, or `vocab` FILE to start from random weights";
  return [
    ...missing("`task`", "mrpc or sst2", task !== undefined),
    ...missing("`data`", "a directory, or `trainFile` and `validationFile`", hasRows),
    ...missing("`model`", start, model !== undefined || vocab !== undefined),
  ];
}

/** Returns the request's recipe with all overrides applied, or the problems of missing and conflicting options. */
export function chooseRecipe(request: FinetuningRequest): Either<readonly Problem[], Recipe> {
  const { task, recipe: name = `bertmini-${task}-4x1` } = request;
  const missing = missingSources(request);
  const base = RECIPES.find((candidate) => candidate.name === name);
  const wrong = (expected: string, got: string): Either<readonly Problem[], never> =>
    left([...missing, { path: "`recipe`", expected, got }]);
  const names = RECIPES.map((candidate) => candidate.name).join(", ");
  if (base === undefined) return wrong(`one of ${names}`, JSON.stringify(name));
  if (base.task !== task)
    return wrong(`a recipe for ${task}`, `${name}, which is for ${base.task}`);
  const recipe = recipeWith(base, request);
  const conflicting = [...overrideProblems(base, request), ...conflicts(request, recipe)];
  return unlessProblems([...missing, ...conflicting], recipe);
}

function conflicts(request: FinetuningRequest, { dense }: Recipe): readonly Problem[] {
  const { pruningConfig, pruningPattern, pruningType, doPrune, model } = request;
  const stated = [
    ...(pruningPattern === undefined ? [] : ["`pruningPattern`"]),
    ...(pruningType === undefined ? [] : ["`pruningType`"]),
    ...(doPrune === false ? ["`doPrune` false"] : []),
  ];
  const expected = "no `pruningConfig` beside it";
  const untrained = "at least 1 without `model`";
  return [
    ...(pruningConfig === undefined ? [] : stated.map((path) => ({ path, expected, got: "both" }))),
    ...(dense.epochs === 0 && model === undefined
      ? [{ path: "`denseNumTrainEpochs`", expected: untrained, got: "0" }]
      : []),
  ];
}

/** Plans a fine-tuning run with the recipe from {@link chooseRecipe}. */
export function planFinetuning(
  recipe: Recipe,
  request: FinetuningRequest,
  inputs: FinetuningInputs,
): Either<readonly Problem[], PlannedFinetuning> {
  const { trainingRows, evaluationRows, model, vocabulary, teacher: named } = inputs;
  const { profile = trainingSettings().profile, sparseProducts, variant } = request;
  const { teacherCacheBudget: budget } = request;
  const start =
    model === undefined
      ? vocabulary && startFromVocabulary(recipe.model, vocabulary)
      : startFromModel(model, vocabulary, recipe.dense.epochs === 0);
  if (start === undefined) return left(missingSources(request));
  const { config, tensors: initialTensors, tokenizer } = start.value;
  const label = "`teacherModelNameOrPath`";
  const teacher = named && checkTeacher(label, named, start.value, recipe.maxLength);
  const rows = [...trainingRows, ...evaluationRows];
  const problems = [
    ...start.problems,
    ...lengthProblems(recipe, config),
    ...pairProblems("`model`", model, rows),
    ...(teacher?.problems ?? []),
    ...pairProblems(label, named, rows),
  ];
  if (problems.length > 0) return left(problems);
  const pruning = choosePruning(recipe, inputs.pruningConfig, config, profile, trainingRows.length);
  if (isLeft(pruning)) return pruning;
  const description: RunDescription = {
    ...pruning.right,
    config,
    initialTensors,
    tokenizer,
    profile,
    sparseProducts,
    variant,
    teacher: teacher?.value,
    teacherBudget: budget && budget * 2 ** 20,
    trainingRows,
    evaluationRows,
  };
  return right({ description, notices: [...start.notices, ...(teacher?.notices ?? [])] });
}

function lengthProblems({ maxLength }: Recipe, { maxPositions }: ModelConfig): readonly Problem[] {
  const expected = `at most the model's ${maxPositions} positions`;
  if (maxLength <= maxPositions) return [];
  return [{ path: "`maxSeqLength`", expected, got: String(maxLength) }];
}

/**
 * Returns the recipe and, if one is given, the configuration that replaces the recipe's. Checks the configuration
 * against the model.
 */
function choosePruning(
  recipe: Recipe,
  given: Named<PruningKeys> | undefined,
  model: ModelConfig,
  profile: Profile,
  rows: number,
): Either<readonly Problem[], Pick<RunDescription, "recipes" | "pruningConfig">> {
  const { sparse } = recipe;
  if (sparse === null) return right({ recipes: [recipe] });
  if (given === undefined) {
    const checked = checkPruning(recipePruningConfig(sparse, rows), model, profile);
    return isLeft(checked) ? checked : right({ recipes: [recipe] });
  }
  const { startStep, endStep, pruningFrequency } = pruningSteps(sparse, rows);
  const pruningConfig = {
    target_sparsity: sparse.targetSparsity,
    start_step: startStep,
    end_step: endStep,
    pruning_frequency: pruningFrequency,
    ...given.value,
  };
  const checked = checkPruning(pruningConfig, model, profile);
  if (isLeft(checked)) return prefixPaths(`${given.path}: `)(checked);
  const pattern = commonPattern(checked.right);
  return right({ recipes: [{ ...recipe, sparse: { ...sparse, pattern } }], pruningConfig });
}

/** Parses a configuration with INC's keys, and initialises pruning to find errors that depend on the model. */
function checkPruning(
  keys: PruningKeys,
  model: ModelConfig,
  profile: Profile,
): Either<readonly Problem[], PruningConfig> {
  try {
    const config = parseTrainingPruning(keys, profile);
    // Only the shapes and the order of the layers matter here, so all weights may be zero.
    const layers = moduleList(model).map(({ name, kind, shape }) => ({
      name,
      kind: KIND_OF_MODULE[kind],
      shape,
      data: new Float32Array(elementCount(shape)),
    }));
    initialiseTrainingPruning(config, layers, profile);
    return right(config);
  } catch (error) {
    if (error instanceof InputError) return left(error.problems);
    if (error instanceof PruningError) return left([error.problem]);
    throw error;
  }
}

/** Returns the pattern that all pruners share, or null if their patterns differ. */
function commonPattern({ pruners }: PruningConfig): string | null {
  const [pattern = null, ...others] = new Set(pruners.map((each) => formatPattern(each.pattern)));
  return others.length === 0 ? pattern : null;
}
