/** Makes tables of the evaluations of final models: all metrics of the task, metrics by class, and confusions. */
import { METRIC_NAMES, type MetricName } from "../core/metric-names.ts";
import type { PhaseResult } from "../experiment/events.ts";
import type { ReportTable, TitledTable } from "../report/run-report.ts";
import type { Evaluation } from "../train/events.ts";

/** The metrics of a task, and the names of its labels. */
export interface EvaluatedTask {
  readonly metrics: readonly MetricName[];
  /** The name of each label, by id. */
  readonly nameOf: (id: number) => string;
}

/** The most classes of a whole confusion matrix. With more, only the largest entries are listed. */
const MOST_CLASSES = 20;

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
        ...metrics.map((name) => evaluation[name]?.toFixed(4) ?? "-"),
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
  const metrics = {
    title: `By label: ${title}`,
    table: {
      header: ["label", "precision", "recall", "F1", "rows"],
      rows: perClass.map(({ precision, recall, f1, support }, index) => [
        names[index] ?? "",
        ...[precision, recall, f1].map((share) => share.toFixed(4)),
        String(support),
      ]),
    },
  };
  return confusion === null
    ? [metrics]
    : [metrics, { title: `Confusions: ${title}`, table: confusionTable(names, confusion) }];
}

function confusionTable(
  names: readonly string[],
  confusion: readonly (readonly number[])[],
): ReportTable {
  if (names.length <= MOST_CLASSES)
    return {
      header: ["label \\ predicted", ...names],
      rows: confusion.map((counts, label) => [names[label] ?? "", ...counts.map(String)]),
    };
  const wrong = confusion.flatMap((counts, label) =>
    counts.flatMap((count, predicted) =>
      label === predicted || count === 0 ? [] : [{ label, predicted, count }],
    ),
  );
  const largest = wrong.toSorted((a, b) => b.count - a.count).slice(0, MOST_CLASSES);
  return {
    header: ["label", "predicted", "rows"],
    rows: largest.map(({ label, predicted, count }) => [
      names[label] ?? "",
      names[predicted] ?? "",
      String(count),
    ]),
  };
}
