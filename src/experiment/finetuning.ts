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
import type { MetricName } from "../core/metric-names.ts";
import type { WordPieceVocabulary } from "../io/vocabulary.ts";
import type { ModelConfig } from "../model/config.ts";
import { moduleList } from "../model/modules.ts";
import type { Profile, PruningConfig } from "../prune/config.ts";
import { elementCount, PruningError } from "../prune/layer.ts";
import { formatPattern } from "../prune/pattern.ts";
import { attentionLayers } from "../train/attention-layers.ts";
import { initialiseTrainingPruning, parseTrainingPruning } from "../train/pruning.ts";
import { trainingSettings } from "../train/settings.ts";
import { KIND_OF_MODULE } from "../train/trainable-model.ts";
import { BEST_METRIC_KEYS, bestMetricOf } from "./best-model.ts";
import { classWeights, type GivenWeights } from "./class-weights.ts";
import type { FinetuningRequest } from "./finetuning-request.ts";
import { GENERIC_PROFILE, isGeneric, type RecipeFacts } from "./generic-recipe.ts";
import { labelLossNotices, labelSmoothingProblems } from "./label-loss-options.ts";
import { type Named, pairProblems } from "./model-fit.ts";
import type { RunDescription } from "./plan.ts";
import { type ChosenRecipe, missingSources, recipeFor } from "./recipe-choice.ts";
import { overrideProblems } from "./recipe-overrides.ts";
import { pruningSteps, type Recipe, recipePruningConfig } from "./recipes.ts";
import {
  type Checked,
  checkTeacher,
  type ModelOf,
  type Shaped,
  type StartingModel,
  startFromModel,
  startFromVocabulary,
} from "./starting-model.ts";
import type { TaskLabels } from "./task-labels.ts";

type RowSets = "trainingRows" | "evaluationRows" | "finalRows";

/** The rows that a request names, and what their labels mean. */
export interface TaskRows extends Pick<RunDescription, RowSets> {
  readonly labels: TaskLabels;
  /** The metrics of the task. The first one is the metric by which models are compared. */
  readonly metrics: readonly [MetricName, ...MetricName[]];
  /** Whether any row is a pair of texts. */
  readonly hasPairs: boolean;
}

/** The contents of the models and files that a request names, without rows. */
export interface FinetuningInputs<Tensor> {
  readonly model: Named<ModelOf<Tensor>> | undefined;
  /** Required without a model. With a model, it must equal the model's vocabulary. */
  readonly vocabulary: Named<WordPieceVocabulary> | undefined;
  readonly teacher: Named<ModelOf<Tensor>> | undefined;
  /** Replaces the recipe's pruning configuration. The recipe supplies missing schedule keys and a missing target. */
  readonly pruningConfig: Named<PruningKeys> | undefined;
  readonly classWeights: GivenWeights | undefined;
}

/** A planned run. The values of its models are not read yet. */
export interface PlannedFinetuning<Tensor> {
  readonly description: Omit<RunDescription, "initialTensors" | "teacher">;
  /** The tensors to start from; undefined for random initial weights. */
  readonly initialTensors: ReadonlyMap<string, Tensor> | undefined;
  readonly teacher: ModelOf<Tensor> | undefined;
  /** Messages for the user about tensors that are not used or newly initialised, and about the profile. */
  readonly notices: readonly string[];
}

/** Plans a fine-tuning run with the recipes from {@link chooseRecipes}. */
export function planFinetuning<Tensor extends Shaped>(
  chosen: readonly ChosenRecipe[],
  request: FinetuningRequest,
  inputs: FinetuningInputs<Tensor>,
  rows: TaskRows,
): Either<readonly Problem[], PlannedFinetuning<Tensor>> {
  const { labels, hasPairs, ...described } = rows;
  const { trainingRows, metrics } = described;
  const start = startingModel(chosen, request, inputs, labels);
  if (start === undefined) return left(missingSources(request));
  const { config, tensors: initialTensors, tokenizer } = start.value;
  const facts = factsOf(config, trainingRows.length);
  const weights = inputs.classWeights && classWeights(inputs.classWeights, config, trainingRows);
  if (weights !== undefined && isLeft(weights)) return weights;
  const recipes = fittedRecipes(chosen, facts, weights?.right, metrics[0]);
  const [recipe] = recipes;
  if (recipe === undefined) return left(missingSources(request));
  const { teacher: named, model } = inputs;
  const label = "`teacherModelNameOrPath`";
  const teacher = named && checkTeacher(label, named, start.value, recipe.maxLength);
  const profile = request.profile ?? defaultProfile(chosen);
  const problems = [
    ...start.problems,
    ...settingProblems(chosen, recipes, { request, config, profile, rows }),
    ...pairProblems("`model`", model, hasPairs),
    ...(teacher?.problems ?? []),
    ...pairProblems(label, named, hasPairs),
  ];
  if (problems.length > 0) return left(problems);
  const pruning = choosePruning(
    recipes,
    inputs.pruningConfig,
    config,
    profile,
    trainingRows.length,
  );
  if (isLeft(pruning)) return pruning;
  const { sparseProducts, variant, teacherCacheBudget: budget } = request;
  const description = {
    ...pruning.right,
    ...described,
    config,
    tokenizer,
    profile,
    sparseProducts,
    variant,
    teacherBudget: budget && budget * 2 ** 20,
  };
  const isUntrained = profile === "inc" && defaultProfile(chosen) !== "inc";
  const notices = [
    ...start.notices,
    ...(teacher?.notices ?? []),
    ...labelLossNotices(request, recipes),
    ...(isUntrained ? [UNTRAINED_HEAD] : []),
  ];
  return right({ description, initialTensors, teacher: teacher?.value, notices });
}

function fittedRecipes(
  chosen: readonly ChosenRecipe[],
  facts: RecipeFacts,
  weights: readonly number[] | undefined,
  metric: MetricName,
): readonly Recipe[] {
  return chosen.map((each) => {
    const { saveBest = "", earlyStoppingPatience } = each.request;
    return {
      ...withClassWeights(recipeFor(each, facts), weights),
      metric,
      saveBest: bestMetricOf(saveBest),
      earlyStoppingPatience,
    };
  });
}

function withClassWeights(recipe: Recipe, weights: readonly number[] | undefined): Recipe {
  if (weights === undefined) return recipe;
  const { dense, sparse } = recipe;
  return {
    ...recipe,
    dense: { ...dense, classWeights: weights },
    // Distillation does not read labels.
    sparse: sparse?.distillationWeight === 0 ? { ...sparse, classWeights: weights } : sparse,
  };
}

/** Returns the problems of settings that depend on the model or on the rows. */
function settingProblems(
  chosen: readonly ChosenRecipe[],
  recipes: readonly Recipe[],
  run: {
    readonly request: FinetuningRequest;
    readonly config: ModelConfig;
    readonly profile: Profile;
    readonly rows: TaskRows;
  },
): readonly Problem[] {
  const { request, config, profile, rows } = run;
  const { trainingRows, metrics } = rows;
  const counted = { rows: trainingRows.length, profile };
  return [
    ...recipes.slice(0, 1).flatMap((first) => lengthProblems(first, config)),
    ...recipes.flatMap((recipe, i) => overrideProblems(recipe, chosen[i]?.request ?? {}, counted)),
    ...labelSmoothingProblems(request, config),
    ...bestMetricProblems(request, config, metrics),
  ];
}

/** Checks that `saveBest` is a metric that the task has. */
function bestMetricProblems(
  { saveBest }: FinetuningRequest,
  { labels, problemType }: ModelConfig,
  metrics: readonly MetricName[],
): readonly Problem[] {
  if (saveBest === undefined) return [];
  const isSingle = problemType === "single_label_classification";
  const ofClasses: readonly MetricName[] = labels === 2 ? ["accuracy", "f1"] : ["accuracy"];
  const known = new Set(["loss", ...metrics, ...(isSingle ? ofClasses : [])]);
  const found = bestMetricOf(saveBest);
  if (found !== undefined && known.has(found)) return [];
  const keys = BEST_METRIC_KEYS.filter((key) => known.has(bestMetricOf(key) ?? ""));
  return [{ path: "`saveBest`", expected: `one of ${keys.join(", ")}`, got: saveBest }];
}

const UNTRAINED_HEAD =
  "profile inc: the head keeps its initial weights, as in the example; strict trains it";

function defaultProfile(chosen: readonly ChosenRecipe[]): Profile {
  const isAny = chosen.some(({ base }) => isGeneric(base));
  return isAny ? GENERIC_PROFILE : trainingSettings().profile;
}

/** The facts on which the settings of a recipe depend. */
export function factsOf(
  { hiddenSize, maxPositions }: ModelConfig,
  trainingRows: number,
): RecipeFacts {
  return { hiddenSize, maxPositions, trainingRows };
}

/** Returns the model to start from, with the labels of the task; undefined without a model or a vocabulary. */
function startingModel<Tensor extends Shaped>(
  [first]: readonly ChosenRecipe[],
  { denseNumTrainEpochs }: FinetuningRequest,
  { model, vocabulary }: FinetuningInputs<Tensor>,
  labels: TaskLabels,
): Checked<StartingModel<Tensor>> | undefined {
  if (model !== undefined)
    return startFromModel(model, vocabulary, labels, denseNumTrainEpochs === 0);
  if (vocabulary === undefined || first === undefined) return undefined;
  return startFromVocabulary(first.base.model, vocabulary, labels);
}

function lengthProblems({ maxLength }: Recipe, { maxPositions }: ModelConfig): readonly Problem[] {
  const expected = `at most the model's ${maxPositions} positions`;
  if (maxLength <= maxPositions) return [];
  return [{ path: "`maxSeqLength`", expected, got: String(maxLength) }];
}

/**
 * Returns the recipes and, if one is given, the configuration that replaces that of the only one. Checks each
 * configuration against the model.
 */
function choosePruning(
  recipes: readonly Recipe[],
  given: Named<PruningKeys> | undefined,
  model: ModelConfig,
  profile: Profile,
  rows: number,
): Either<readonly Problem[], Pick<RunDescription, "recipes" | "pruningConfig">> {
  if (given === undefined) {
    const problems = recipes.flatMap(({ sparse }) => {
      if (sparse === null) return [];
      const checked = checkPruning(recipePruningConfig(sparse, rows, profile), model, profile);
      return isLeft(checked) ? checked.left : [];
    });
    return unlessProblems(problems, { recipes });
  }
  const [recipe] = recipes;
  if (recipe?.sparse == null) return right({ recipes });
  const { sparse } = recipe;
  const { startStep, endStep, pruningFrequency } = pruningSteps(sparse, rows, profile);
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
    initialiseTrainingPruning(config, layers, profile, attentionLayers(model));
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
