/**
 * Runs the commands that train a model: prints progress and each epoch, then the results and the path of the report.
 */

import { availableParallelism } from "node:os";
import { counted } from "../core/counted.ts";
import type { PhaseResult } from "../experiment/events.ts";
import { phaseEpochs } from "../experiment/phase-recipe.ts";
import type { KernelVariant } from "../kernels/table.ts";
import { chooseVariant } from "../node/engine.ts";
import { fineTuneToDirectory } from "../node/fine-tune.ts";
import { comparisonLines } from "../report/comparison.ts";
import type { ModelRow } from "../report/run-report.ts";
import { formatMarkdown, formatTable, relativeDrop, resultsTable } from "../report/table.ts";
import { evaluationsOf } from "../run/evaluation-tables.ts";
import type { FineTuned, FineTuneRunOptions } from "../run/fine-tune.ts";
import type { MetricsLine } from "../run/metrics.ts";
import type { ExitCode } from "./command.ts";
import type { Console } from "./console.ts";
import { choiceOption, flagOption, integerOption, kebabCase, type Option } from "./options.ts";
import { createProgress } from "./progress.ts";

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

/** The metrics in a line that only some tasks have. */
const FURTHER_METRICS = [
  ["macro F1", "macro_f1"],
  ["micro F1", "micro_f1"],
  ["Matthews", "matthews"],
  ["Pearson", "pearson"],
  ["Spearman", "spearman"],
  ["MSE", "mean_squared_error"],
] as const;

/** Formats the line of an epoch with all metrics that it has. */
function epochText(line: MetricsLine, epochs: number): string {
  const figure = (name: string, value: number | null): string =>
    value === null ? "" : `  ${name} ${value.toFixed(4)}`;
  const phase = line.phase === "dense" ? "dense" : `sparse ${line.pattern}`;
  return [
    `seed ${line.seed}  ${phase}  epoch ${line.epoch}/${epochs}`,
    figure("loss", line.training_loss),
    figure("accuracy", line.accuracy),
    figure("F1", line.f1),
    ...FURTHER_METRICS.map(([text, key]) => figure(text, line[key] ?? null)),
    figure("sparsity", line.sparsity_pruned_layers),
  ].join("");
}

/** Converts the keys of an object to snake_case, as in metrics.jsonl. */
function snakeCased(record: object): object {
  return Object.fromEntries(
    Object.entries(record).map(([key, value]) => [kebabCase(key).replaceAll("-", "_"), value]),
  );
}

/** Returns an event for each evaluation of a final model. */
function finalEvents(result: PhaseResult): readonly object[] {
  const { seed, phase, recipe, pattern } = result;
  return evaluationsOf(result).map(([rows, evaluation]) => ({
    ...{ event: "evaluation", seed, phase, recipe, pattern, rows },
    ...snakeCased(evaluation),
  }));
}

/** Returns the sizes and speeds of the final models of a pattern and of the dense ones, if they were measured. */
function measurementsOf(sparse: ModelRow | undefined, dense: ModelRow | undefined): object {
  if (sparse?.bytes === undefined || dense?.bytes === undefined) return {};
  return {
    denseBytes: dense.bytes.plain,
    prunedBytes: sparse.bytes.plain,
    packedBytes: sparse.bytes.packed,
    denseRowsPerSecond: dense.rowsPerSecond,
    sparseRowsPerSecond: sparse.rowsPerSecond,
  };
}

/** Formats the results as JSON lines. */
function jsonLines({ report, reportPath, outcome }: FineTuned): readonly string[] {
  const { metric, rows } = report.table;
  const [dense] = report.models;
  const results = rows.map((row) => ({
    ...{ metric, ...row, relativeDrop: relativeDrop(row) },
    ...measurementsOf(
      report.models.find(({ label }) => label === row.label),
      dense,
    ),
  }));
  const end = {
    event: "end",
    completed: outcome.completed,
    diverged: outcome.diverged,
    report: reportPath,
  };
  const finals = outcome.seeds.flatMap(({ phases }) =>
    phases.flatMap(({ result }) => (result === null ? [] : finalEvents(result))),
  );
  const rowEvents = results.map((row) => ({ event: "result", ...snakeCased(row) }));
  const settings = { event: "settings", settings: Object.fromEntries(report.settings) };
  const events = [settings, ...(report.evaluations === undefined ? [] : finals), ...rowEvents, end];
  return events.map((event) => JSON.stringify(event));
}

/** Formats the results as lines of text. */
function textLines({ report, reportPath, outcome }: FineTuned): readonly string[] {
  if (reportPath === null) return ["Interrupted before the run began."];
  const { rows, metric } = report.table;
  const dense = report.dense.flatMap(({ seed, epochs }) => {
    const last = epochs.at(-1)?.metric;
    return last === undefined ? [] : `seed ${seed}: dense ${metric} ${(100 * last).toFixed(2)}`;
  });
  return [
    ...(rows.length > 0 ? ["", formatTable(resultsTable(report.table))] : dense),
    ...(rows.length > 0 && report.models.length > 1
      ? ["", ...comparisonLines(metric, report.models)]
      : []),
    ...(rows.length > 1 || (rows[0]?.sparse.length ?? 0) > 1
      ? ["", formatMarkdown(resultsTable(report.table))]
      : []),
    ...(report.evaluations === undefined ? [] : ["", formatTable(report.evaluations)]),
    ...(outcome.completed || outcome.diverged.length > 0
      ? []
      : ["", "Interrupted; --resume continues from here."]),
    "",
    `Report: ${reportPath}`,
  ];
}

/**
 * Trains a model and prints the results.
 *
 * @returns 1 if a seed diverged, 130 if the run was interrupted, otherwise 0. In all cases, the results so far are
 *   saved and reported
 */
export async function runTrainingCommand(
  options: Omit<FineTuneRunOptions, "signal" | "listener">,
  { json, verbose }: { readonly json: boolean; readonly verbose: boolean },
  console: Console,
): Promise<ExitCode> {
  const { plan, seeds, threads = availableParallelism() } = options;
  const { variant, notes, failures } = await chooseVariant(plan.variant ?? "auto", console.engine);
  const atOnce = Math.min(threads, seeds.length);
  const shared = `threads: ${threads}, ${counted(atOnce, "seed")} at once`;
  for (const note of verbose ? [...notes, shared] : failures) console.err.write(`${note}\n`);
  const progress = createProgress(console.err);
  const done = await fineTuneToDirectory({
    ...options,
    plan: { ...plan, variant },
    threads,
    workerScript: console.workerScript ?? undefined,
    signal: console.signal,
    listener: {
      onStep: progress.update,
      onEpoch: (line) => {
        if (json) console.out.write(`${JSON.stringify({ event: "epoch", ...line })}\n`);
        const phase = plan.recipes.find(({ name }) => name === line.recipe)?.[line.phase];
        const epochs = phase && phaseEpochs(phase, plan.trainingRows.length);
        progress.note(epochText(line, epochs ?? line.epoch));
      },
    },
  }).finally(progress.finish);
  for (const line of (json ? jsonLines : textLines)(done)) console.out.write(`${line}\n`);
  const { completed, diverged } = done.outcome;
  for (const reason of diverged) console.err.write(`${reason}\n`);
  if (diverged.length > 0) return 1;
  return completed ? 0 : 130;
}
