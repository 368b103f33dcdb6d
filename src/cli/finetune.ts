/** `espalier finetune`: fine-tunes a dense model, then prunes a copy with distillation from the dense model. */

import { availableParallelism } from "node:os";
import { counted } from "../core/counted.ts";
import { getOrThrow, InputError, type Problem } from "../core/either.ts";
import { PROBLEM_TYPES } from "../core/problem-type.ts";
import { patternOf, type RunDescription } from "../experiment/plan.ts";
import { chooseRecipes, missingSources } from "../experiment/recipe-choice.ts";
import { RECIPES } from "../experiment/recipes.ts";
import { GLUE_TASK_NAMES } from "../io/glue-tasks.ts";
import { TOKENIZER_KINDS } from "../io/hugging-face.ts";
import { chooseVariant } from "../node/engine.ts";
import { nodePlatform } from "../node/fine-tune.ts";
import { findModelsOrThrow, type ModelPlace } from "../node/model-name.ts";
import { nodeStorage, storageOf } from "../node/storage.ts";
import { describeDryRun, dryRun } from "../run/dry-run.ts";
import { outputProblems } from "../run/fine-tune.ts";
import { type PreparedFinetuning, prepareFinetuning } from "../run/finetuning.ts";
import { resolveRun } from "../run/plan.ts";
import { planLines } from "../run/plan-lines.ts";
import { planSettings } from "../run/plan-settings.ts";
import { runTitle } from "../run/run-title.ts";
import { BATCHINGS } from "../train/batches.ts";
import { namingRows } from "./changed-rows.ts";
import { namingSettings } from "./changed-settings.ts";
import { type Command, defineCommand, type ExitCode } from "./command.ts";
import type { Console } from "./console.ts";
import {
  choiceOption,
  flagOption,
  integerOption,
  integersOption,
  numberOption,
  type OptionValues,
  textOption,
} from "./options.ts";
import { PHASE_OPTIONS } from "./phase-options.ts";
import { ROW_OPTIONS } from "./row-options.ts";
import { SCRIPT_OPTIONS } from "./script-options.ts";
import { runTrainingCommand, TRAINING_OPTIONS } from "./training.ts";

const DEFAULT_SEED = 42;
const SEED_BOUNDS = { least: 0, most: Number.MAX_SAFE_INTEGER };

const OPTIONS = {
  task: choiceOption(GLUE_TASK_NAMES, "the GLUE task whose files are read", ["task-name"]),
  data: textOption("DIR", "directory with the official files of the task"),
  trainFile: textOption(
    "FILE",
    "training rows: CSV, TSV, JSON or JSON Lines; with --task, in the form of its train.tsv",
  ),
  validationFile: textOption("FILE", "validation rows in the same form"),
  testFile: textOption("FILE", "rows with labels, on which the final models are evaluated"),
  validationSplit: numberOption(
    { least: 0, below: 1 },
    "share of the training rows that are drawn if there is no --validation-file (default 0.1)",
  ),
  splitSeed: integerOption(SEED_BOUNDS, "seed of that draw, the same for all seeds (default 42)"),
  ...ROW_OPTIONS,
  problemType: choiceOption(PROBLEM_TYPES, "kind of problem (default: what the labels are)"),
  model: textOption(
    "MODEL",
    "start from this Hugging Face directory, or this model in the Hugging Face cache",
    ["model-name-or-path"],
  ),
  tokenizer: choiceOption(
    TOKENIZER_KINDS,
    "the model's tokenizer, named as in transformers (default fast if it has a tokenizer.json)",
  ),
  vocab: textOption("FILE", "start from random weights of the recipe's model, with this vocab.txt"),
  out: textOption("DIR", "where everything is written", ["output-dir"]),
  recipe: textOption(
    "NAME",
    "the recipe (default bertmini-TASK-4x1 for mrpc and sst2, else generic); other options change it",
  ),
  seed: integerOption(SEED_BOUNDS, `one seed (default ${DEFAULT_SEED})`),
  seeds: integersOption(SEED_BOUNDS, "several seeds; each is a run"),
  resume: flagOption("continue from the snapshots in --out"),
  reportErrors: integerOption(
    { least: 0 },
    "errors of each final model that report.html lists with their texts; 0: no texts (default 20)",
  ),
  dryRun: flagOption(
    "check everything, count labels, truncated and repeated rows, estimate memory and time; write nothing",
  ),
  ...TRAINING_OPTIONS,
  profile: choiceOption(
    ["inc", "strict"],
    "pruning semantics (default strict for the recipe generic, else inc)",
  ),
  sparseProducts: choiceOption(
    ["auto", "off"],
    "auto: leave zeros out of products with pruned weights if that is faster (default auto)",
  ),
  maxSeqLength: integerOption({ least: 3 }, "longest input in tokens", ["max-length"]),
  perDeviceEvalBatchSize: integerOption({ least: 1 }, "rows in an evaluation batch"),
  batching: choiceOption(
    BATCHINGS,
    "batches at random (default), or of rows of similar length (bucketed)",
  ),

  ...PHASE_OPTIONS,

  doPrune: flagOption("false: only the dense phase, which then takes the sparse one's options"),
  pruningPattern: textOption(
    "PATTERN",
    "such as 4x1, 2:4 (2 of every 4 are pruned), 1xchannel; several with commas are pruned to from one dense model",
  ),
  targetSparsity: numberOption(
    { least: 0, below: 1 },
    "share of blocks pruned at the end (default: the recipe's, or with another pattern N / M for N:M, 0.6 for channels, else 0.9)",
  ),
  pruningFrequency: integerOption({ least: -1 }, "steps between prune steps; -1: 40 prune steps"),
  sparsityWarmEpochs: numberOption({ least: 0 }, "epochs before pruning starts"),
  cooldownEpochs: numberOption({ least: 0 }, "epochs after the last prune step"),
  pruningType: textOption("NAME", "how weights are scored: snip_momentum, magnitude, ..."),
  pruningConfig: textOption(
    "FILE",
    "JSON or YAML in INC's keys: a list of local configurations, or an object",
  ),
  distillLossWeight: numberOption(
    { least: 0 },
    "weight of the distillation loss; 0: learn from the labels",
  ),
  distillPadding: choiceOption(
    ["included", "excluded"],
    "padded positions in that loss (default included)",
  ),
  teacherCache: choiceOption(
    ["float32", "float16", "off"],
    "how the teacher's results are kept between epochs (default float32)",
  ),
  teacherCacheBudget: integerOption(
    { least: 0 },
    "MiB of them that each seed keeps in memory; a temporary file takes the rest (default 1024)",
  ),
  teacherModelNameOrPath: textOption(
    "MODEL",
    "distil from this model, named as --model, not from the dense one",
  ),
  ...SCRIPT_OPTIONS,
} as const;

/** Returns the problems with missing and conflicting options, before any file is read. */
function usageProblems(values: OptionValues<typeof OPTIONS>): readonly Problem[] {
  const { out, seed, seeds, tokenizer, useSlowTokenizer = false, dryRun: isDry = false } = values;
  const fast = {
    path: "`useSlowTokenizer`",
    expected: "no `tokenizer` fast beside it",
    got: "both",
  };
  const noDirectory = { path: "`out`", expected: "a directory", got: "nothing" };
  const twoSeeds = { path: "`seed`", expected: "no `seeds` beside it", got: "both" };
  return [
    ...(out === undefined && !isDry ? [noDirectory] : []),
    ...missingSources(values),
    ...(seed !== undefined && seeds !== undefined ? [twoSeeds] : []),
    ...(useSlowTokenizer && tokenizer === "fast" ? [fast] : []),
  ];
}

/** Finds the models, and plans the run. @throws InputError, first with the problems of options, which need no files */
async function prepare(values: OptionValues<typeof OPTIONS>): Promise<{
  readonly models: readonly ModelPlace[];
  readonly prepared: PreparedFinetuning;
}> {
  const { model, teacherModelNameOrPath, useSlowTokenizer = false } = values;
  const request = { ...values, tokenizer: useSlowTokenizer ? "slow" : values.tokenizer } as const;
  getOrThrow(chooseRecipes(request));
  const models = await findModelsOrThrow({
    "`model`": model,
    "`teacherModelNameOrPath`": teacherModelNameOrPath,
  });
  const prepared = getOrThrow(await prepareFinetuning(storageOf(...models), request));
  return { models, prepared };
}

/** Prints what is known about a run before it trains. */
async function runDry(
  plan: RunDescription,
  seeds: readonly number[],
  { threads = availableParallelism() }: OptionValues<typeof OPTIONS>,
  json: boolean,
  console: Console,
): Promise<ExitCode> {
  const { variant, failures } = await chooseVariant(plan.variant ?? "auto", console.engine);
  for (const note of failures) console.err.write(`${note}\n`);
  const resolved = resolveRun({ ...plan, variant });
  const found = await dryRun(nodePlatform, resolved, seeds[0] ?? 0, threads);
  const settings = Object.fromEntries(planSettings(resolved, seeds, variant));
  const lines = json
    ? [JSON.stringify({ event: "dry-run", settings, ...found })]
    : describeDryRun(found, seeds.length);
  for (const line of lines) console.out.write(`${line}\n`);
  return 0;
}

function titleOf(
  { model, task, trainFile }: OptionValues<typeof OPTIONS>,
  { recipes }: RunDescription,
  models: readonly ModelPlace[],
): string {
  const patterns = recipes.flatMap(({ sparse }) => (sparse === null ? [] : [patternOf(sparse)]));
  const randomModel = recipes[0]?.model ?? "a model";
  const isHubName = models.some(({ name, isCached }) => name === model && isCached);
  return runTitle({ model, isHubName, task, trainFile, randomModel, patterns });
}

function summaryOf({ recipes, trainingRows, evaluationRows }: RunDescription): string {
  const rows = `Fine-tuned on ${counted(trainingRows.length, "row")}, evaluated on ${evaluationRows.length}.`;
  if (recipes.every(({ sparse }) => sparse === null)) return rows;
  const isDistilled = recipes.some(({ sparse }) => (sparse?.distillationWeight ?? 0) > 0);
  const how = isDistilled ? " while it learned from the dense one" : "";
  return `${rows} Then a copy of the dense model was pruned${how}.`;
}

export const finetuneCommand: Command = defineCommand({
  name: "finetune",
  summary:
    "fine-tune a BERT or DistilBERT classifier, then prune it with the dense one as its teacher",
  description: [
    "Fine-tunes a dense model, then prunes a copy of it while it is distilled from the dense one, with an evaluation after every epoch. Writes metrics.jsonl, report.html, dense/ and sparse/ (Hugging Face layout) and snapshots/ to --out. With several seeds the models are in seed-N/.",
    `Recipes: ${RECIPES.filter(({ task }) => task !== "demo")
      .map(({ name }) => name)
      .join(", ")}.`,
  ],
  positionals: [],
  options: OPTIONS,
  run: async ({ values, json }, console) => {
    const { out: directory, seed = DEFAULT_SEED, seeds = [seed], resume = false } = values;
    const problems = usageProblems(values);
    if (problems.length > 0) throw new InputError(problems);
    const output =
      directory === undefined ? [] : await outputProblems(nodeStorage, directory, seeds, resume);
    if (output.length > 0) throw new InputError(output);
    const { models, prepared } = await prepare(values);
    const { description: plan, notices, evaluationTexts } = prepared;
    for (const line of [...notices, ...planLines(plan)]) console.err.write(`${line}\n`);
    if (directory === undefined || values.dryRun === true)
      return runDry(plan, seeds, values, json, console);
    const title = titleOf(values, plan, models);
    const summary = summaryOf(plan);
    const { threads, reportErrors, verbose = false } = values;
    const texts = { reportErrors, evaluationTexts };
    const options = { title, summary, plan, seeds, directory, resume, threads, ...texts };
    try {
      return await runTrainingCommand(options, { json, verbose }, console);
    } catch (error) {
      const hasSparse = plan.recipes.some(({ sparse }) => sparse !== null);
      throw namingSettings(namingRows(error, values), hasSparse, values);
    }
  },
});
