/** Whole runs in directories. */

import { availableParallelism } from "node:os";
import { type FineTuned, type FineTuneRunOptions, fineTuneRun } from "../run/fine-tune.ts";
import type { SeedMessage, SeedPlatform, SeedResult, SeedTask } from "../run/seed.ts";
import { nodeStorage } from "./storage.ts";
import { createStorageFile } from "./storage-file.ts";
import { createNodeBackend } from "./threaded-backend.ts";
import { workerRunner } from "./workers.ts";

/** What a seed needs, on this machine. */
export const nodePlatform: SeedPlatform = {
  storage: nodeStorage,
  startBackend: createNodeBackend,
  openTeacherStorage: createStorageFile,
};

/** What {@link fineTuneToDirectory} does. Default of `threads`: one for each core. */
export interface FineTuneToDirectoryOptions extends FineTuneRunOptions {
  /** A script whose workers train one seed each, as the espalier command does. Default: this thread trains all. */
  readonly workerScript?: { readonly href: string } | undefined;
}

/**
 * Trains every seed of a plan and writes to a directory: `dense/` and `sparse/` in Hugging Face's layout,
 * `metrics.jsonl` with one line an epoch (the same bytes for the same seed and kernels), `timings.json`, `report.html`
 * and `snapshots/`. If the signal interrupts it, it reports what is there so far.
 *
 * @throws InputError if a model, a pruning configuration or a snapshot does not fit; nothing is written then
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
 * const recipe = findRecipe("demo-dense");
 * const directory = mkdtempSync(join(tmpdir(), "espalier-"));
 * const { outcome } = await fineTuneToDirectory({
 *   title: "A first run",
 *   summary: "One epoch on eight sentences.",
 *   directory,
 *   seeds: [1],
 *   plan: {
 *     recipes: [{ ...recipe, dense: { ...recipe.dense, epochs: 1 } }],
 *     config: parseModelConfigOrThrow({
 *       ...MODEL_CONFIGS["bert-demo"],
 *       vocab_size: tokenizer.vocabulary.tokens.length,
 *     }),
 *     tokenizer,
 *     trainingRows: task.train,
 *     evaluationRows: task.dev,
 *   },
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
