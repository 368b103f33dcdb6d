/** Makes tables of the evaluations of final models: all metrics of the task, metrics by class, and confusions. */
import { METRIC_NAMES, type MetricName } from "../core/metric-names.ts";
import type { PhaseResult } from "../experiment/events.ts";
import { classTable, confusionTable, formatMetric } from "../report/evaluation-table.ts";
import type { ReportTable, TitledTable } from "../report/run-report.ts";
import type { Evaluation } from "../train/events.ts";

/** The metrics of a task, and the names of its labels. */
export interface EvaluatedTask {
  readonly metrics: readonly MetricName[];
  /** The name of each label, by id. */
  readonly nameOf: (id: number) => string;
}

/** Lists the metrics of each final model on the validation rows and on all further rows. */
export function evaluationTable(
  results: readonly PhaseResult[],
  { metrics }: EvaluatedTask,
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

/** Makes tables of the metrics by class and of the confusions of one final model on the validation rows. */
export function classTables(
  result: PhaseResult,
  { nameOf }: EvaluatedTask,
): readonly TitledTable[] {
  const { perClass, confusion } = result.last.evaluation;
  if (perClass === null) return [];
  const names = perClass.map(({ id }) => nameOf(id));
  const title = `${modelName(result)}, seed ${result.seed}`;
  const metrics = { title: `By label: ${title}`, table: classTable(perClass, names) };
  if (confusion === null) return [metrics];
  const confusions = `Confusions: ${title}`;
  return [metrics, { title: confusions, table: confusionTable(confusion, names) }];
}
