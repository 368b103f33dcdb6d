/** Runs a complete fine-tuning experiment, and writes its results to a directory. */

import { availableParallelism } from "node:os";
import { type FineTuned, type FineTuneRunOptions, fineTuneRun } from "../run/fine-tune.ts";
import type { SeedMessage, SeedPlatform, SeedResult, SeedTask } from "../run/seed.ts";
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
export function fineTuneToDirectory(options: FineTuneToDirectoryOptions): Promise<FineTuned> {
  const { workerScript, threads = availableParallelism() } = options;
  const worker = workerScript && workerRunner<SeedTask, SeedMessage, SeedResult>(workerScript);
  return fineTuneRun({ ...options, threads }, { ...nodePlatform, worker });
}
