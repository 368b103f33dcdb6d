/** A whole run: models, metrics, snapshots and a report. */

import type { StopSignal } from "../core/abort.ts";
import type { RunDescription } from "../experiment/plan.ts";
import { htmlReport } from "../report/html.ts";
import type { RunReport } from "../report/run-report.ts";
import type { RunListener } from "./board.ts";
import { resolveRun } from "./plan.ts";
import { planSettings } from "./plan-settings.ts";
import { reportOf } from "./report.ts";
import { joinPath } from "./storage.ts";
import { type RunOutcome, type RunPlatform, runTraining } from "./training.ts";

/** What to run, and where it goes. */
export interface FineTuneRunOptions {
  readonly plan: RunDescription;
  /** Each seed is a run of its own; at least one. */
  readonly seeds: readonly number[];
  /** Several seeds keep their models in `seed-N` below it. */
  readonly directory: string;
  /** Heads the report. */
  readonly title: string;
  /** One or two sentences for the report: what was run. */
  readonly summary: string;
  /** Continues from the snapshots in `directory`. Default false. */
  readonly resume?: boolean | undefined;
  /** Ends the run at the next step with a snapshot. */
  readonly signal?: StopSignal | undefined;
  readonly listener?: Partial<RunListener> | undefined;
  /** With workers as many seeds run at once, and their kernels share the other threads. Default 1. */
  readonly threads?: number | undefined;
}

/** What came of a run. */
export interface FineTuned {
  readonly outcome: RunOutcome;
  readonly report: RunReport;
  /** Path of report.html; null if the run was interrupted before it began and nothing was written. */
  readonly reportPath: string | null;
}

const SILENT: RunListener = { onStep: () => {}, onEpoch: () => {} };

/**
 * Trains every seed of a plan. Writes to the directory: `dense/` and `sparse/` in Hugging Face's layout, `metrics.jsonl`
 * with one line an epoch, `timings.json`, `report.html` and `snapshots/`. If the signal interrupts it, it reports what is
 * there so far.
 *
 * @throws InputError if a model, a pruning configuration or a snapshot does not fit; nothing is written then
 */
export async function fineTuneRun(
  options: FineTuneRunOptions,
  platform: RunPlatform,
): Promise<FineTuned> {
  const { seeds, directory, title, summary, resume = false, threads = 1 } = options;
  const { signal = new AbortController().signal } = options;
  const plan = resolveRun(options.plan);
  const listener = { ...SILENT, ...options.listener };
  const run = { plan, seeds, directory, resume, threads, signal, listener };
  const outcome = await runTraining(run, platform);
  const [epoch] = outcome.seeds.flatMap(({ phases }) => phases.flatMap(({ epochs }) => epochs));
  const settings = planSettings(plan, seeds, epoch?.variant ?? plan.variant);
  const metric = plan.recipes[0]?.metric ?? "accuracy";
  const texts = { title, summary, settings };
  const report = await reportOf(platform.storage, outcome, metric, texts);
  if (outcome.seeds.length === 0) return { outcome, report, reportPath: null };
  const reportPath = joinPath(directory, "report.html");
  await platform.storage.write(reportPath, htmlReport(report));
  return { outcome, report, reportPath };
}
