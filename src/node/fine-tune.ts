/** Fine-tuning to a directory: models, metrics, checkpoints and a report. */

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { StopSignal } from "../core/abort.ts";
import { htmlReport } from "../report/html.ts";
import type { RunReport } from "../report/run-report.ts";
import { writeFileAtomically } from "./files.ts";
import { planSettings } from "./plan-settings.ts";
import type { RunListener } from "./run-board.ts";
import { reportOf } from "./run-report.ts";
import type { RunPlan } from "./seed-task.ts";
import { type RunOutcome, runTraining } from "./training-run.ts";

/** What {@link fineTuneToDirectory} does. */
export interface FineTuneToDirectoryOptions {
  readonly plan: RunPlan;
  /** Each seed is a run of its own; at least one. */
  readonly seeds: readonly number[];
  /** Created where it is not there; several seeds keep their models in `seed-N` below it. */
  readonly directory: string;
  /** Heads the report. */
  readonly title: string;
  /** One or two sentences for the report: what was run. */
  readonly summary: string;
  /** Goes on from the checkpoints in `directory`. Default false. */
  readonly resume?: boolean;
  /** Ends the run at a step's boundary with a checkpoint. */
  readonly signal?: StopSignal;
  readonly listener?: Partial<RunListener>;
  /**
   * Threads in all. With a `workerScript` as many seeds run at once, each on a worker, and their kernels share the
   * threads that are left; without, one seed after another has them all. Default 1.
   */
  readonly threads?: number;
  /** A script whose worker serves one seed, as the espalier command does; null: this thread runs all. */
  readonly workerScript?: { readonly href: string } | null;
}

/** What came of it. */
export interface FineTuned {
  readonly outcome: RunOutcome;
  readonly report: RunReport;
  /** Path of report.html; null where the run was interrupted before it began: nothing is then written. */
  readonly reportPath: string | null;
}

/** Takes no notice. */
const SILENT: RunListener = { onStep: () => {}, onEpoch: () => {}, onResult: () => {} };

/**
 * Trains every seed of a plan and writes to a directory: `dense/` and `sparse/` in Hugging Face's layout,
 * `metrics.jsonl` with one line an epoch (the same bytes for the same seed and kernels), `timings.json`,
 * `report.html` and `checkpoints/`. Interrupted by the signal, it reports what is there so far.
 *
 * @throws InputError where a model, a pruning configuration or a checkpoint does not fit; nothing is then
 * written
 *
 * @example
 * ```ts
 * import { mkdtempSync, readFileSync } from "node:fs";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import { createTokenizer, encode } from "espalier/io";
 * import { findRecipe, generateDemoTask, MODEL_CONFIGS, tokeniseExamples } from "espalier/nn";
 * import { fineTuneToDirectory } from "espalier/node";
 *
 * const task = generateDemoTask({ trainCount: 8, devCount: 4 });
 * const tokenizer = createTokenizer(task.vocabulary);
 * const rows = (texts: typeof task.dev) =>
 *   tokeniseExamples(texts, (text) => encode(tokenizer, text, undefined, 32));
 * const recipe = findRecipe("demo-dense");
 * const directory = mkdtempSync(join(tmpdir(), "espalier-"));
 * const { outcome } = await fineTuneToDirectory({
 *   title: "A first run",
 *   summary: "One epoch on eight sentences.",
 *   directory,
 *   seeds: [1],
 *   plan: {
 *     recipes: [{ ...recipe, dense: { ...recipe.dense, epochs: 1 } }],
 *     profile: "inc",
 *     variant: "auto",
 *     modelConfig: { ...MODEL_CONFIGS["bert-demo"], vocab_size: tokenizer.vocabulary.tokens.length },
 *     initialTensors: null,
 *     skipDense: false,
 *     teacher: null,
 *     pruningConfig: null,
 *     tokenizer,
 *     trainingRows: rows(task.train),
 *     evaluationRows: rows(task.dev),
 *   },
 * });
 * if (!outcome.completed) throw new Error("expected a run that was not interrupted");
 * const lines = readFileSync(join(directory, "metrics.jsonl"), "utf8").trim().split("\n");
 * if (lines.length !== 1) throw new Error("expected one line an epoch");
 * ```
 */
export async function fineTuneToDirectory(options: FineTuneToDirectoryOptions): Promise<FineTuned> {
  const { plan, seeds, directory, title, summary, resume = false, threads = 1 } = options;
  const outcome = await runTraining({
    plan,
    seeds,
    directory,
    resume,
    threads,
    workerScript: options.workerScript ?? null,
    signal: options.signal ?? new AbortController().signal,
    listener: { ...SILENT, ...options.listener },
  });
  const metric = plan.recipes[0]?.metric ?? "accuracy";
  const settings = planSettings(plan, seeds, variantOf(outcome) ?? plan.variant);
  const report = await reportOf(outcome, metric, { title, summary, settings });
  if (outcome.seeds.length === 0) return { outcome, report, reportPath: null };
  const reportPath = join(directory, "report.html");
  await mkdir(directory, { recursive: true });
  writeFileAtomically(reportPath, htmlReport(report));
  return { outcome, report, reportPath };
}

/** The kernels that ran: those that `auto` chose. */
function variantOf({ seeds }: RunOutcome): string | undefined {
  return seeds.flatMap(({ phases }) => phases.flatMap(({ epochs }) => epochs))[0]?.variant;
}
