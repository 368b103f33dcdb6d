/** Executes a complete fine-tuning run: trains every seed, and writes models, metrics, snapshots and a report. */

import type { StopSignal } from "../core/abort.ts";
import { InputError, type Problem } from "../core/either.ts";
import type { PhaseId } from "../experiment/events.ts";
import { planPhases, type RunDescription } from "../experiment/plan.ts";
import { MOST_THREADS } from "../kernels/backend.ts";
import { htmlReport } from "../report/html.ts";
import type { RunReport } from "../report/run-report.ts";
import {
  createRunBoard,
  METRICS_FILE,
  type RunListener,
  readTimings,
  TIMINGS_FILE,
} from "./board.ts";
import { newSeeds, type RunSeeds, resumedSeeds } from "./earlier-seeds.ts";
import { type EvaluationTexts, measureFinals } from "./final-models.ts";
import { phaseDirectory, type RunPlan, resolveRun } from "./plan.ts";
import { planSettings } from "./plan-settings.ts";
import { type MeasuredFinals, type RunOutcome, reportOf } from "./report.ts";
import {
  type SeedMessage,
  type SeedPlatform,
  type SeedResult,
  type SeedTask,
  trainSeed,
} from "./seed.ts";
import { findSnapshot, SNAPSHOTS } from "./snapshot.ts";
import { joinPath, type RunStorage } from "./storage.ts";
import { runTasks, type TaskRunner } from "./tasks.ts";

/** Options for {@link fineTuneRun}. */
export interface FineTuneRunOptions {
  readonly plan: RunDescription;
  /** At least one seed. The whole experiment is run independently for each seed. */
  readonly seeds: readonly number[];
  /** The directory to write to. If there are several seeds, the models of seed N are in the subdirectory `seed-N`. */
  readonly directory: string;
  readonly title: string;
  /** One or two sentences that describe the run in the report. */
  readonly summary: string;
  /** Whether to continue from the snapshots in `directory`. Default false. */
  readonly resume?: boolean | undefined;
  /** Stops the run after the current step. Snapshots are then written. */
  readonly signal?: StopSignal | undefined;
  readonly listener?: Partial<RunListener> | undefined;
  /** Number of threads. If the platform has workers, up to this many seeds run at once. Default 1. */
  readonly threads?: number | undefined;
  /** Whether the report has sizes, speed and errors of the final models, which are loaded for it. Default true. */
  readonly measure?: boolean | undefined;
  /** The number of errors of each final model that the report lists with their texts. Default 20. */
  readonly reportErrors?: number | undefined;
  /** Returns the texts of evaluation rows. Default: those of the plan, if its rows are not tokenized. */
  readonly evaluationTexts?: EvaluationTexts | undefined;
}

/** The platform-specific functions that a run needs. */
export interface RunPlatform extends SeedPlatform {
  /** Runs {@link trainSeed} on a worker. Default: the seeds run one after another in the calling thread. */
  readonly worker?: TaskRunner<SeedTask, SeedMessage, SeedResult> | undefined;
}

/** The result of {@link fineTuneRun}. */
export interface FineTuned {
  readonly outcome: RunOutcome;
  readonly report: RunReport;
  /** The path of report.html; null if the run was interrupted before any seed started, so that nothing was written. */
  readonly reportPath: string | null;
}

/**
 * Trains every seed of a plan, and writes to the directory: models in Hugging Face's layout in `dense/` and `sparse/`,
 * `metrics.jsonl` with one line per epoch, `timings.json`, `report.html`, and snapshots in `snapshots/`. The report of
 * an interrupted run shows the epochs so far. Results do not depend on the number of threads.
 *
 * @throws InputError if a model, a pruning configuration or a snapshot is invalid or does not match the plan; then
 *   nothing is written
 */
export async function fineTuneRun(
  options: FineTuneRunOptions,
  platform: RunPlatform,
): Promise<FineTuned> {
  const { seeds, directory, title, summary } = options;
  const { storage } = platform;
  const repeated = seeds.find((seed, i) => seeds.indexOf(seed) !== i);
  if (repeated !== undefined)
    throw new RangeError(`seeds: expected each seed once, got ${repeated} again`);
  const plan = resolveRun(options.plan);
  const unlock = await storage.lock?.(directory);
  try {
    const { outcome, order } = await trainSeeds(options, plan, platform);
    const [epoch] = outcome.seeds.flatMap(({ phases }) => phases.flatMap(({ epochs }) => epochs));
    const report = await reportOf(storage, outcome, {
      title,
      summary,
      plan,
      metric: plan.recipes[0]?.metric ?? "accuracy",
      settings: planSettings(plan, order, epoch?.variant ?? plan.variant),
      finals: outcome.completed ? await finalsOf(options, plan, outcome, platform) : undefined,
    });
    if (outcome.seeds.length === 0) return { outcome, report, reportPath: null };
    const reportPath = joinPath(directory, REPORT_FILE);
    await storage.write(reportPath, htmlReport(report));
    return { outcome, report, reportPath };
  } finally {
    unlock?.();
  }
}

const REPORT_FILE = "report.html";
const DEFAULT_ERRORS = 20;

async function finalsOf(
  options: FineTuneRunOptions,
  plan: RunPlan,
  outcome: RunOutcome,
  platform: RunPlatform,
): Promise<MeasuredFinals | undefined> {
  if (options.measure === false) return undefined;
  const { threads = 1, signal, reportErrors: errors = DEFAULT_ERRORS } = options;
  const texts = options.evaluationTexts ?? textsOfPlan(options.plan);
  return measureFinals(platform, plan, outcome, {
    threads: Math.min(threads, MOST_THREADS),
    signal,
    errors,
    texts,
  });
}

/** Returns the texts of a plan whose evaluation rows are texts. */
function textsOfPlan({ evaluationRows }: RunDescription): EvaluationTexts | undefined {
  if ("inputIds" in evaluationRows) return undefined;
  return async (rows) =>
    new Map(
      rows.flatMap((row) => {
        const example = evaluationRows[row];
        if (example === undefined) return [];
        const { text, textPair = null } = example;
        return [[row, { text, textPair }] as const];
      }),
    );
}

/** Checks that the run will be able to write all of its files and directories. @throws InputError if not */
async function checkOutputPaths(
  storage: RunStorage,
  directory: string,
  plan: RunPlan,
  { order, modelsOf }: RunSeeds,
): Promise<void> {
  const folders = order.flatMap((seed) =>
    planPhases(plan, seed).map(({ id }) => joinPath(modelsOf(seed), phaseDirectory(plan, id))),
  );
  const wanted = [
    ...[METRICS_FILE, TIMINGS_FILE, REPORT_FILE].map((name) => [name, "file"] as const),
    ...[...folders, SNAPSHOTS].map((name) => [name, "directory"] as const),
  ];
  const problems: Problem[] = [];
  for (const [name, expected] of wanted) {
    const path = joinPath(directory, name);
    const kind = await storage.kind(path);
    if (kind !== "nothing" && kind !== expected)
      problems.push({ path, expected: `a ${expected}, or nothing`, got: `a ${kind}` });
  }
  if (problems.length > 0) throw new InputError(problems);
}

async function trainSeeds(
  { seeds, directory, resume = false, signal, listener, threads = 1 }: FineTuneRunOptions,
  plan: RunPlan,
  platform: RunPlatform,
): Promise<{ readonly outcome: RunOutcome; readonly order: readonly number[] }> {
  const { storage, worker } = platform;
  const atOnce = worker === undefined ? 1 : Math.min(threads, seeds.length);
  const share = Math.min(MOST_THREADS, Math.max(1, Math.floor(threads / atOnce)));
  const all = resume ? await resumedSeeds(storage, directory, plan, seeds) : newSeeds(seeds);
  const { order, kept, modelsOf } = all;
  await checkOutputPaths(storage, directory, plan, all);
  const earlier = resume ? await readTimings(storage, directory) : {};
  const board = createRunBoard(storage, directory, order, kept, earlier, listener);
  const here: TaskRunner<SeedTask, SeedMessage, SeedResult> = (task, context) =>
    trainSeed(platform, task, context);
  const results = await runTasks({
    tasks: seeds.map((seed) => ({
      ...{ plan, seed, directory, resume },
      models: modelsOf(seed),
      threads: share,
    })),
    runner: worker === undefined || atOnce === 1 ? here : worker,
    atOnce,
    onMessage: (index, message) => board.onMessage(seeds[index] ?? 0, message),
    signal: signal ?? new AbortController().signal,
  });
  const trained = new Map(results.flatMap((result) => (result ? [[result.seed, result]] : [])));
  const outcome = {
    completed: trained.size === seeds.length && [...trained.values()].every(isCompleted),
    diverged: [...trained.values()].flatMap(({ seed, diverged }) =>
      diverged === null ? [] : [`seed ${seed}, ${diverged}`],
    ),
    seeds: order.flatMap((seed) => trained.get(seed) ?? kept.get(seed) ?? []),
    timings: board.timings(),
    modelDirectory: (phase: PhaseId) =>
      joinPath(
        directory,
        trained.get(phase.seed)?.models ?? modelsOf(phase.seed),
        phaseDirectory(plan, phase),
      ),
  };
  return { outcome, order };
}

function isCompleted({ completed }: SeedResult): boolean {
  return completed;
}

/** Checks that a directory contains no run or, if `resume` is set, a snapshot. Problems name options in backticks. */
export async function outputProblems(
  storage: RunStorage,
  directory: string,
  seeds: readonly number[],
  resume: boolean,
): Promise<readonly Problem[]> {
  const problem = (expected: string, got: string): readonly Problem[] => [
    { path: "`out`", expected, got: `${directory}${got}` },
  ];
  if ((await storage.kind(directory)) === "file") return problem("a directory", " (is a file)");
  const found = await Promise.all(seeds.map((seed) => findSnapshot(storage, directory, seed)));
  const hasSnapshot = found.some((path) => path !== undefined);
  if (resume)
    return hasSnapshot ? [] : problem("the snapshots of a run to continue", ", which has none");
  const expected = "a directory without a run, or `resume`";
  if (hasSnapshot) return problem(expected, ", which has snapshots");
  const metrics = await storage.kind(joinPath(directory, METRICS_FILE));
  return metrics === "file" ? problem(expected, `, which has ${METRICS_FILE}`) : [];
}
