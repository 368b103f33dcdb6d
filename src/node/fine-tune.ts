/** Runs a complete fine-tuning experiment, and writes its results to a directory. */

import { availableParallelism } from "node:os";
import { checkSignal } from "../core/abort.ts";
import {
  checkFunction,
  checkInteger,
  checkKind,
  checkList,
  checkObject,
  checkOptions,
  checkRecords,
  checkString,
  mismatch,
} from "../core/checks.ts";
import { refuseInput } from "../core/either.ts";
import type { RunDescription } from "../experiment/plan.ts";
import { checkConfig } from "../model/check.ts";
import { type FineTuned, type FineTuneRunOptions, fineTuneRun } from "../run/fine-tune.ts";
import type { SeedMessage, SeedPlatform, SeedResult, SeedTask } from "../run/seed.ts";
import { checkPath, checkScript } from "./arguments.ts";
import { kindOfPath } from "./files.ts";
import { nodeStorage } from "./storage.ts";
import { createStorageFile } from "./storage-file.ts";
import { createNodeBackend } from "./threaded-backend.ts";
import { workerRunner } from "./workers.ts";

/** The functions that a run needs from Node: storage, kernels, and files for the teacher's results. */
export const nodePlatform: SeedPlatform = {
  storage: nodeStorage,
  startBackend: createNodeBackend,
  openTeacherStorage: createStorageFile,
};

/** Options for {@link fineTuneToDirectory}. `threads` is the number of cores by default. */
export interface FineTuneToDirectoryOptions extends FineTuneRunOptions {
  /**
   * The script of workers that each train one seed, such as the espalier command. By default, this thread trains all
   * seeds.
   */
  readonly workerScript?: { readonly href: string } | undefined;
}

const OPTIONS: readonly string[] = Object.keys({
  plan: true,
  seeds: true,
  directory: true,
  title: true,
  summary: true,
  resume: true,
  signal: true,
  listener: true,
  threads: true,
  measure: true,
  reportErrors: true,
  evaluationTexts: true,
  workerScript: true,
} satisfies Record<keyof FineTuneToDirectoryOptions, true>);

const PLAN: readonly string[] = Object.keys({
  config: true,
  recipes: true,
  trainingRows: true,
  evaluationRows: true,
  finalRows: true,
  profile: true,
  sparseProducts: true,
  initialTensors: true,
  teacher: true,
  pruningConfig: true,
  tokenizer: true,
  variant: true,
  metrics: true,
  teacherBudget: true,
} satisfies Record<keyof RunDescription, true>);

/** Checks the form of a plan. What it describes is checked before training. */
function checkPlan(plan: RunDescription): void {
  checkOptions("plan", plan, PLAN);
  checkConfig(plan.config, "plan.config");
  if (plan.teacher !== undefined) checkConfig(plan.teacher.config, "plan.teacher.config");
  checkRecords("plan.recipes", plan.recipes, "name", "dense", "metric", "maxLength");
  checkRows("plan.trainingRows", plan.trainingRows);
  checkRows("plan.evaluationRows", plan.evaluationRows);
  for (const [name, rows] of Object.entries(plan.finalRows ?? {}))
    checkRows(`plan.finalRows.${name}`, rows);
  checkObject("plan.tokenizer", plan.tokenizer, "vocabulary", "kind");
  if (plan.recipes.length === 0)
    throw new RangeError(mismatch("plan.recipes", "at least one", "none"));
}

/** Checks the form of rows: a list of texts, or packed token ids. */
function checkRows(name: string, rows: RunDescription["trainingRows"]): void {
  const isPacked = typeof rows === "object" && rows !== null && "inputIds" in rows;
  if (isPacked)
    checkObject(name, rows, "length", "inputIds", "tokenTypeIds", "begins", "ends", "labels");
  else checkRecords(name, rows, "text");
}

async function checkRun(options: FineTuneToDirectoryOptions): Promise<void> {
  checkOptions("options", options, OPTIONS);
  const { plan, seeds, directory, title, summary, signal, listener, threads, workerScript } =
    options;
  const { measure, reportErrors, evaluationTexts } = options;
  checkPath("directory", directory);
  checkString("title", title);
  checkString("summary", summary);
  checkList("seeds", seeds);
  if (seeds.length === 0) throw new RangeError(mismatch("seeds", "at least one seed", "none"));
  for (const [i, seed] of seeds.entries()) checkInteger(`seeds[${i}]`, seed);
  if (signal !== undefined) checkSignal("signal", signal);
  if (listener !== undefined) checkOptions("listener", listener, ["onStep", "onEpoch"]);
  if (threads !== undefined) checkInteger("threads", threads, 1);
  if (measure !== undefined)
    checkKind(typeof measure === "boolean", "measure", "a boolean", measure);
  if (reportErrors !== undefined) checkInteger("reportErrors", reportErrors, 0);
  if (evaluationTexts !== undefined) checkFunction("evaluationTexts", evaluationTexts);
  if (workerScript !== undefined) checkScript("workerScript", workerScript);
  checkPlan(plan);
  if ((await kindOfPath(directory)) === "file")
    refuseInput("directory", "a directory, or nothing", `a file: ${directory}`);
}

/**
 * Trains every seed of a plan and writes to a directory: `dense/` and `sparse/` in Hugging Face's layout,
 * `metrics.jsonl` with one line per epoch (the same bytes for the same seed and kernels), `timings.json`, `report.html`
 * and `snapshots/`. If the run is interrupted, the report shows the epochs so far.
 *
 * @throws InputError if a model, a pruning configuration or a snapshot is invalid or does not match the plan; then
 *   nothing is written
 *
 * @example
 * ```ts
 * import { mkdtempSync, readFileSync } from "node:fs";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import { createTokenizer } from "espalier/io";
 * import { findRecipe, generateDemoTask, MODEL_CONFIGS, parseModelConfigOrThrow } from "espalier/nn";
 * import { fineTuneToDirectory } from "espalier/node";
 *
 * const task = generateDemoTask({ trainCount: 8, devCount: 4 });
 * const tokenizer = createTokenizer(task.vocabulary);
 * const vocab_size = tokenizer.vocabulary.tokens.length;
 * const config = parseModelConfigOrThrow({ ...MODEL_CONFIGS["bert-demo"], vocab_size });
 * const recipe = findRecipe("demo-dense");
 * const recipes = [{ ...recipe, dense: { ...recipe.dense, epochs: 1 } }];
 * const directory = mkdtempSync(join(tmpdir(), "espalier-"));
 * const { outcome } = await fineTuneToDirectory({
 *   title: "A first run",
 *   summary: "One epoch on eight sentences.",
 *   directory,
 *   seeds: [1],
 *   plan: { recipes, config, tokenizer, trainingRows: task.train, evaluationRows: task.dev },
 * });
 * if (!outcome.completed) throw new Error("expected a run that was not interrupted");
 * const lines = readFileSync(join(directory, "metrics.jsonl"), "utf8").trim().split("\n");
 * if (lines.length !== 1) throw new Error("expected one line an epoch");
 * ```
 */
export async function fineTuneToDirectory(options: FineTuneToDirectoryOptions): Promise<FineTuned> {
  await checkRun(options);
  const { workerScript, threads = availableParallelism() } = options;
  const worker = workerScript && workerRunner<SeedTask, SeedMessage, SeedResult>(workerScript);
  return fineTuneRun({ ...options, threads }, { ...nodePlatform, worker });
}
