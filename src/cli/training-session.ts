/** Runs a plan for a person or a program: progress and epochs as they come, then table, report and where they are. */

import { availableParallelism } from "node:os";
import { chooseVariant } from "../node/engine.ts";
import { type FineTuned, fineTuneToDirectory } from "../node/fine-tune.ts";
import type { MetricsLine } from "../node/metrics.ts";
import type { RunListener } from "../node/run-board.ts";
import type { RunPlan } from "../node/seed-task.ts";
import { formatTable, relativeDrop, resultsTable } from "../report/table.ts";
import type { ExitCode } from "./command.ts";
import type { Console } from "./console.ts";
import { kebabCase } from "./options.ts";
import { createProgress, type Progress } from "./progress.ts";

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
  /** Whether to say how kernels and threads were chosen. */
  readonly verbose: boolean;
}

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

/** Keys as in metrics.jsonl. */
function snakeCased(record: object): object {
  return Object.fromEntries(
    Object.entries(record).map(([key, value]) => [kebabCase(key).replaceAll("-", "_"), value]),
  );
}

function printJson({ report, reportPath, outcome }: FineTuned, console: Console): void {
  for (const row of report.table.rows) {
    const result = { metric: report.table.metric, ...row, relativeDrop: relativeDrop(row) };
    console.out.write(`${JSON.stringify({ event: "result", ...snakeCased(result) })}\n`);
  }
  const { completed } = outcome;
  console.out.write(`${JSON.stringify({ event: "end", completed, report: reportPath })}\n`);
}

function printText({ report, reportPath, outcome }: FineTuned, console: Console): void {
  const { rows, metric } = report.table;
  if (reportPath === null) {
    console.out.write("Interrupted before the run began.\n");
    return;
  }
  if (rows.length > 0) console.out.write(`\n${formatTable(resultsTable(report.table))}\n`);
  else
    for (const { seed, epochs } of report.dense) {
      const last = epochs.at(-1)?.metric;
      if (last !== undefined)
        console.out.write(`seed ${seed}: dense ${metric} ${(100 * last).toFixed(2)}\n`);
    }
  if (!outcome.completed) console.out.write("\nInterrupted; --resume goes on from here.\n");
  console.out.write(`\nReport: ${reportPath}\n`);
}

/**
 * Runs the session.
 *
 * @returns 0, or 130 where it was interrupted; what is there so far is then saved and reported
 */
export async function runSession(session: TrainingSession, console: Console): Promise<ExitCode> {
  const { json, verbose, threads = availableParallelism(), ...run } = session;
  const { variant, notes, failures } = await chooseVariant(session.plan.variant, console.engine);
  const atOnce = Math.min(threads, session.seeds.length);
  const shared = `threads: ${threads}, ${atOnce === 1 ? "one seed" : `${atOnce} seeds`} at once`;
  for (const note of verbose ? [...notes, shared] : failures) console.err.write(`${note}\n`);
  const progress = createProgress(console.err);
  const done = await fineTuneToDirectory({
    ...run,
    plan: { ...run.plan, variant },
    threads,
    workerScript: console.workerScript,
    signal: console.signal,
    listener: createListener(session, console, progress),
  }).finally(progress.finish);
  (json ? printJson : printText)(done, console);
  return done.outcome.completed ? 0 : 130;
}
