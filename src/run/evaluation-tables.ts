/** Makes a table of the evaluations of final models with all metrics of the task. */
import { METRIC_NAMES, type MetricName } from "../core/metric-names.ts";
import type { PhaseId, PhaseResult } from "../experiment/events.ts";
import { formatMetric, formatPercent } from "../report/evaluation-table.ts";
import type { ReportTable } from "../report/run-report.ts";
import type { Evaluation } from "../train/events.ts";
import { rangeOf } from "../train/metrics/named-metrics.ts";

/**
 * Lists the metrics of each final model on the validation rows and on all further rows, in percent except errors.
 *
 * @param labelOf returns the name of a phase's model
 */
export function evaluationTable(
  results: readonly PhaseResult[],
  metrics: readonly MetricName[],
  labelOf: (phase: PhaseId) => string,
): ReportTable {
  return {
    header: ["model", "seed", "rows", "loss", ...metrics.map((name) => METRIC_NAMES[name].text)],
    rows: results.flatMap((result) =>
      evaluationsOf(result).map(([rows, evaluation]) => [
        labelOf(result),
        String(result.seed),
        `${rows} (${evaluation.examples})`,
        evaluation.loss.toFixed(4),
        ...metrics.map((name) =>
          rangeOf(name) === null ? formatMetric(evaluation[name]) : formatPercent(evaluation[name]),
        ),
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
