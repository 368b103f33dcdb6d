/** Makes a table of the evaluations of final models with all metrics of the task. */
import { METRIC_NAMES, type MetricName } from "../core/metric-names.ts";
import type { PhaseResult } from "../experiment/events.ts";
import { formatMetric } from "../report/evaluation-table.ts";
import type { ReportTable } from "../report/run-report.ts";
import type { Evaluation } from "../train/events.ts";

/** Lists the metrics of each final model on the validation rows and on all further rows. */
export function evaluationTable(
  results: readonly PhaseResult[],
  metrics: readonly MetricName[],
): ReportTable {
  return {
    header: ["seed", "model", "rows", "loss", ...metrics.map((name) => METRIC_NAMES[name].text)],
    rows: results.flatMap((result) =>
      evaluationsOf(result).map(([rows, evaluation]) => [
        String(result.seed),
        modelName(result),
        `${rows} (${evaluation.examples})`,
        evaluation.loss.toFixed(4),
        ...metrics.map((name) => formatMetric(evaluation[name])),
      ]),
    ),
  };
}

/** Returns the evaluations of a phase's final model by the name of the rows. */
export function evaluationsOf({
  last,
  final = {},
}: PhaseResult): readonly (readonly [rows: string, evaluation: Evaluation])[] {
  return [["validation", last.evaluation], ...Object.entries(final)];
}

function modelName({ phase, pattern }: PhaseResult): string {
  return phase === "dense" ? "dense" : `sparse ${pattern}`;
}
