/** Runs a training command: progress and epochs as they come, then the table, the report and its path. */

import { availableParallelism } from "node:os";
import type { RunDescription } from "../experiment/plan.ts";
import type { KernelVariant } from "../kernels/table.ts";
import { chooseVariant } from "../node/engine.ts";
import { fineTuneToDirectory } from "../node/fine-tune.ts";
import { formatTable, relativeDrop, resultsTable } from "../report/table.ts";
import type { RunListener } from "../run/board.ts";
import type { FineTuned, FineTuneRunOptions } from "../run/fine-tune.ts";
import type { MetricsLine } from "../run/metrics.ts";
import type { ExitCode } from "./command.ts";
import type { Console } from "./console.ts";
import { choiceOption, flagOption, integerOption, kebabCase, type Option } from "./options.ts";
import { createProgress, type Progress } from "./progress.ts";

/** The options of every training command. */
export const TRAINING_OPTIONS: {
  readonly threads: Option<number>;
  readonly variant: Option<KernelVariant | "auto">;
  readonly verbose: Option<boolean>;
} = {
  threads: integerOption(
    { least: 1, most: 1024 },
    "number of threads; seeds run at once and share them (default: one for each core)",
  ),
  variant: choiceOption(
    ["auto", "revectorized", "fma", "simd", "scalar"],
    "kernels to run (default auto: the fastest that passes its self-test here)",
  ),
  verbose: flagOption("say how kernels and threads were chosen"),
};

/** How a run is shown. */
export interface Presentation {
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

function createListener(
  { recipes }: RunDescription,
  json: boolean,
  console: Console,
  progress: Progress,
): Partial<RunListener> {
  return {
    onStep: progress.update,
    onEpoch: (line) => {
      if (json) console.out.write(`${JSON.stringify({ event: "epoch", ...line })}\n`);
      const phase = recipes.find(({ name }) => name === line.recipe)?.[line.phase];
      progress.note(epochText(line, phase?.epochs ?? line.epoch));
    },
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
  if (!outcome.completed) console.out.write("\nInterrupted; --resume continues from here.\n");
  console.out.write(`\nReport: ${reportPath}\n`);
}

/**
 * Runs a training and prints its results.
 *
 * @returns 0, or 130 if it was interrupted; what is there so far is then saved and reported
 */
export async function runTrainingCommand(
  options: Omit<FineTuneRunOptions, "signal" | "listener">,
  { json, verbose }: Presentation,
  console: Console,
): Promise<ExitCode> {
  const { plan, seeds, threads = availableParallelism() } = options;
  const { variant, notes, failures } = await chooseVariant(plan.variant ?? "auto", console.engine);
  const atOnce = Math.min(threads, seeds.length);
  const shared = `threads: ${threads}, ${atOnce === 1 ? "one seed" : `${atOnce} seeds`} at once`;
  for (const note of verbose ? [...notes, shared] : failures) console.err.write(`${note}\n`);
  const progress = createProgress(console.err);
  const done = await fineTuneToDirectory({
    ...options,
    plan: { ...plan, variant },
    threads,
    workerScript: console.workerScript ?? undefined,
    signal: console.signal,
    listener: createListener(plan, json, console, progress),
  }).finally(progress.finish);
  (json ? printJson : printText)(done, console);
  return done.outcome.completed ? 0 : 130;
}
