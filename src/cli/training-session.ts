/** Runs a plan for a person or a program: progress and epochs as they come, then table, report and where they are. */

import { availableParallelism } from "node:os";
import { join } from "node:path";
import { writeFileAtomically } from "../node/files.ts";
import type { MetricsLine } from "../node/metrics.ts";
import { createProgress, type Progress } from "../node/progress.ts";
import type { RunListener } from "../node/run-board.ts";
import { reportOf } from "../node/run-report.ts";
import type { RunPlan } from "../node/seed-task.ts";
import { type RunOutcome, runTraining } from "../node/training-run.ts";
import { htmlReport } from "../report/html.ts";
import type { RunReport } from "../report/run-report.ts";
import { formatTable, relativeDrop, resultsTable } from "../report/table.ts";
import type { ExitCode } from "./command.ts";
import type { Console } from "./console.ts";
import { planSettings } from "./plan-settings.ts";

/** What to run, and how it is called. */
export interface TrainingSession {
  readonly title: string;
  readonly summary: string;
  readonly plan: RunPlan;
  readonly seeds: readonly number[];
  readonly directory: string;
  readonly resume: boolean;
  /** Default: one for each core. */
  readonly threads: number | undefined;
  readonly json: boolean;
}

const REPORT_FILE = "report.html";

/** An epoch as a line for a person. */
export function epochText(line: MetricsLine, epochs: number): string {
  const figure = (name: string, value: number | null): string =>
    value === null ? "" : `  ${name} ${value.toFixed(4)}`;
  const phase = line.phase === "dense" ? "dense" : `sparse ${line.pattern}`;
  return [
    `seed ${line.seed}  ${phase}  epoch ${line.epoch}/${epochs}`,
    figure("loss", line.training_loss),
    figure("accuracy", line.accuracy),
    figure("F1", line.f1),
    figure("sparsity", line.sparsity_pruned_layers),
  ].join("");
}

function epochsOf(plan: RunPlan, line: MetricsLine): number {
  const recipe = plan.recipes.find(({ name }) => name === line.recipe);
  return (line.phase === "dense" ? recipe?.dense.epochs : recipe?.sparse?.epochs) ?? line.epoch;
}

function createListener(
  session: TrainingSession,
  console: Console,
  progress: Progress,
): RunListener {
  const { plan, json } = session;
  return {
    onStep: progress.update,
    onEpoch: (line) => {
      if (json) console.out.write(`${JSON.stringify({ event: "epoch", ...line })}\n`);
      progress.note(epochText(line, epochsOf(plan, line)));
    },
    onResult: () => {},
  };
}

/** The report of an outcome with the run's settings. */
function buildReport(session: TrainingSession, outcome: RunOutcome): RunReport {
  const { title, summary, plan, seeds } = session;
  const lines = outcome.seeds.flatMap((seed) => seed.phases.flatMap((phase) => phase.epochs));
  const settings = planSettings(plan, seeds, lines[0]?.variant ?? plan.variant);
  return reportOf(outcome, plan.recipes[0]?.metric ?? "accuracy", { title, summary, settings });
}

function printJson(
  report: RunReport,
  directory: string,
  outcome: RunOutcome,
  console: Console,
): void {
  for (const row of report.table.rows) {
    const result = { event: "result", metric: report.table.metric, ...row };
    console.out.write(`${JSON.stringify({ ...result, relativeDrop: relativeDrop(row) })}\n`);
  }
  const { completed } = outcome;
  console.out.write(`${JSON.stringify({ event: "end", completed, directory })}\n`);
}

function printText(
  report: RunReport,
  directory: string,
  outcome: RunOutcome,
  console: Console,
): void {
  const { rows, metric } = report.table;
  if (rows.length > 0) console.out.write(`\n${formatTable(resultsTable(report.table))}\n`);
  else
    for (const { seed, epochs } of report.dense) {
      const last = epochs.at(-1)?.metric;
      if (last !== undefined)
        console.out.write(`seed ${seed}: dense ${metric} ${(100 * last).toFixed(2)}\n`);
    }
  if (!outcome.completed) console.out.write("\nInterrupted; --resume goes on from here.\n");
  console.out.write(`\nReport: ${join(directory, REPORT_FILE)}\n`);
}

/**
 * Runs the session.
 *
 * @returns 0, or 130 where it was interrupted; what is there so far is then saved and reported
 */
export async function runSession(session: TrainingSession, console: Console): Promise<ExitCode> {
  const { plan, seeds, directory, resume, json } = session;
  const progress = createProgress(console.err);
  const outcome = await runTraining({
    plan,
    seeds,
    directory,
    resume,
    threads: session.threads ?? availableParallelism(),
    workerScript: console.workerScript,
    signal: console.signal,
    listener: createListener(session, console, progress),
  }).finally(progress.finish);
  const report = buildReport(session, outcome);
  writeFileAtomically(join(directory, REPORT_FILE), htmlReport(report));
  (json ? printJson : printText)(report, directory, outcome, console);
  return outcome.completed ? 0 : 130;
}
