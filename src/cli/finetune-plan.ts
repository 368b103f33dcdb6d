/** Turns the options of `espalier finetune` into a plan, refusing everything wrong before work starts. */

import { join } from "node:path";
import { type PruningKeys, parsePruningConfigFile } from "../checkpoint/pruning-config-file.ts";
import { getOrThrow, InputError, type Problem } from "../core/either.ts";
import { checkPruning, commonPattern } from "../experiment/pruning-check.ts";
import {
  findRecipe,
  pruningSteps,
  type Recipe,
  recipePruningConfig,
} from "../experiment/recipes.ts";
import type { GlueTask } from "../io/glue.ts";
import { HUGGING_FACE_FILES } from "../io/hugging-face.ts";
import { encode, type Tokenizer } from "../io/tokenizer.ts";
import type { KernelVariant } from "../kernels/table.ts";
import type { ModelConfig } from "../model/config.ts";
import type { RunPlan } from "../node/seed-task.ts";
import { nodeStorage } from "../node/storage.ts";
import type { Profile } from "../prune/config.ts";
import { readNamedFile } from "../run/storage.ts";
import { type LabelledText, tokeniseExamples } from "../train/examples.ts";
import type { SparseProductsSetting } from "../train/sparse-switch.ts";
import {
  differenceProblems,
  type ReadModel,
  type RowPaths,
  readModel,
  readStartingPoint,
  readTaskRows,
  rowPathProblems,
  type StartingPoint,
  type StartPaths,
  startPathProblems,
} from "./finetune-inputs.ts";
import { overrideProblems, type RecipeOverrides, recipeWith } from "./finetune-recipe.ts";

/** The options that decide what is trained. */
export interface PlanOptions extends RecipeOverrides, RowPaths, StartPaths {
  readonly task?: GlueTask;
  readonly recipe?: string;
  readonly variant?: KernelVariant | "auto";
  readonly profile?: Profile;
  readonly sparseProducts?: SparseProductsSetting;
  readonly pruningConfig?: string;
  readonly teacherModelNameOrPath?: string;
  /** In MiB. */
  readonly teacherCacheBudget?: number;
}

function refuse(path: string, expected: string, got: string): never {
  throw new InputError([{ path, expected, got }]);
}

/** The recipe with every option applied. */
function chooseRecipe(task: GlueTask, options: PlanOptions): Recipe {
  const base = findRecipe(options.recipe ?? `bertmini-${task}-4x1`);
  if (base.task !== task)
    refuse("--recipe", `a recipe for ${task}`, `${base.name}, which is for ${base.task}`);
  const problems: readonly Problem[] = [
    ...overrideProblems(base, options),
    ...configFileProblems(options),
  ];
  if (problems.length > 0) throw new InputError(problems);
  return recipeWith(base, options);
}

/** Options that a configuration file states itself. */
function configFileProblems(options: PlanOptions): readonly Problem[] {
  if (options.pruningConfig === undefined) return [];
  const stated = [
    ...(options.pruningPattern === undefined ? [] : ["--pruning-pattern"]),
    ...(options.pruningType === undefined ? [] : ["--pruning-type"]),
    ...(options.doPrune === false ? ["--do-prune false"] : []),
  ];
  return stated.map((path) => ({ path, expected: "no --pruning-config beside it", got: "both" }));
}

/** What a configuration file need not state: the recipe's target and schedule. */
function scheduleDefaults(recipe: Recipe, rows: number): PruningKeys {
  if (recipe.sparse === null) return {};
  const { startStep, endStep, pruningFrequency } = pruningSteps(recipe.sparse, rows);
  return {
    target_sparsity: recipe.sparse.targetSparsity,
    start_step: startStep,
    end_step: endStep,
    pruning_frequency: pruningFrequency,
  };
}

/** Runs `check`, and puts the file before each of its problems. */
function namingFile<T>(file: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new InputError(
      error.problems.map((problem) => ({ ...problem, path: `${file}: ${problem.path}` })),
    );
  }
}

/** The recipe and its pruning configuration, tried on the model; null where the recipe's own is used. */
async function planPruning(
  recipe: Recipe,
  options: PlanOptions,
  model: ModelConfig,
  rows: number,
): Promise<{ readonly recipe: Recipe; readonly pruningConfig: PruningKeys | null }> {
  const { sparse } = recipe;
  if (sparse === null) return { recipe, pruningConfig: null };
  const profile = options.profile ?? "inc";
  if (options.pruningConfig === undefined) {
    checkPruning(recipePruningConfig(sparse, rows), model, profile);
    return { recipe, pruningConfig: null };
  }
  const defaults = scheduleDefaults(recipe, rows);
  const path = options.pruningConfig;
  const bytes = getOrThrow(await readNamedFile(nodeStorage, "--pruning-config", path));
  const pruningConfig = getOrThrow(parsePruningConfigFile(path, bytes, defaults));
  const config = namingFile(options.pruningConfig, () =>
    checkPruning(pruningConfig, model, profile),
  );
  const pattern = commonPattern(config);
  return { recipe: { ...recipe, sparse: { ...sparse, pattern } }, pruningConfig };
}

function checkLength(recipe: Recipe, config: ModelConfig): void {
  if (recipe.maxLength <= config.maxPositions) return;
  const expected = `at most the model's ${config.maxPositions} positions`;
  refuse("--max-seq-length", expected, String(recipe.maxLength));
}

/** The teacher sees the student's batches, and its hidden states are compared with the student's. */
async function readTeacher(
  directory: string | undefined,
  student: StartingPoint,
  maxLength: number,
): Promise<ReadModel | null> {
  if (directory === undefined) return null;
  const option = "--teacher-model-name-or-path";
  const teacher = getOrThrow(await readModel(option, directory, true));
  const { hiddenSize, vocabularySize, maxPositions } = teacher.config;
  const { config, tokenizer } = student;
  if (hiddenSize !== config.hiddenSize)
    refuse(option, `a model of hidden size ${config.hiddenSize}`, String(hiddenSize));
  if (vocabularySize !== config.vocabularySize)
    refuse(option, `a vocabulary of ${config.vocabularySize} tokens`, String(vocabularySize));
  if (maxPositions < maxLength)
    refuse(option, `a model of at least ${maxLength} positions`, String(maxPositions));
  const vocabulary = join(directory, HUGGING_FACE_FILES.vocabulary);
  const { vocabulary: taught } = teacher.tokenizer;
  const differing = differenceProblems(vocabulary, taught, tokenizer.vocabulary);
  if (differing.length > 0) throw new InputError(differing);
  return teacher;
}

/** Tokenised rows at most `maxLength` tokens long. */
export function tokenise(
  tokenizer: Tokenizer,
  rows: readonly LabelledText[],
  maxLength: number,
): ReturnType<typeof tokeniseExamples> {
  return tokeniseExamples(rows, (text, textPair) => encode(tokenizer, text, textPair, maxLength));
}

/** What the options ask for. */
export interface FinetuningPlan {
  readonly plan: RunPlan;
  /** Lines for the user: what of the given models was not used, and what they had no values for. */
  readonly notices: readonly string[];
}

/** Everything that must be said and was not. */
export function missingOptions(options: PlanOptions): readonly Problem[] {
  const task = { path: "--task", expected: "mrpc or sst2", got: "nothing" };
  return [
    ...(options.task === undefined ? [task] : []),
    ...rowPathProblems(options),
    ...startPathProblems(options),
  ];
}

/**
 * The plan that the options ask for.
 *
 * @throws InputError with the problems of the options, the rows, the model or the pruning configuration
 * @throws RangeError for an unknown recipe, PruningError for pruning that cannot be carried out
 */
export async function planFinetuning(options: PlanOptions): Promise<FinetuningPlan> {
  const { task } = options;
  if (task === undefined) throw new InputError(missingOptions(options));
  const chosen = chooseRecipe(task, options);
  const skipDense = chosen.dense.epochs === 0;
  if (skipDense && options.model === undefined)
    refuse("--dense-num-train-epochs", "at least 1 without --model", "0");
  const start = getOrThrow(await readStartingPoint(chosen.model, options, skipDense));
  checkLength(chosen, start.config);
  const rows = getOrThrow(await readTaskRows(task, options));
  const count = rows.training.length;
  const { recipe, pruningConfig } = await planPruning(chosen, options, start.config, count);
  const teacher = await readTeacher(options.teacherModelNameOrPath, start, recipe.maxLength);
  const plan: RunPlan = {
    recipes: [recipe],
    profile: options.profile ?? "inc",
    variant: options.variant ?? "auto",
    sparseProducts: options.sparseProducts ?? "auto",
    modelConfig: start.config.source,
    initialTensors: start.tensors,
    skipDense,
    teacher: teacher && { config: teacher.config.source, tensors: teacher.tensors },
    pruningConfig,
    ...(options.teacherCacheBudget === undefined
      ? {}
      : { teacherBudget: options.teacherCacheBudget * 2 ** 20 }),
    tokenizer: start.tokenizer,
    trainingRows: tokenise(start.tokenizer, rows.training, recipe.maxLength),
    evaluationRows: tokenise(start.tokenizer, rows.evaluation, recipe.maxLength),
  };
  return { plan, notices: [...start.notices, ...(teacher?.notices ?? [])] };
}
