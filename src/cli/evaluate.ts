/** `espalier evaluate`: computes the metrics of a model on rows with labels. */
import { counted } from "../core/counted.ts";
import { getOrThrow, InputError, type Problem, refuseInput } from "../core/either.ts";
import { METRIC_NAMES } from "../core/metric-names.ts";
import type { GlueTask } from "../io/glue.ts";
import { GLUE_TASK_NAMES } from "../io/glue-tasks.ts";
import { nodeStorage, storageReadingTwice } from "../node/storage.ts";
import { turn } from "../node/turn.ts";
import { formatEvaluation, formatMetric } from "../report/evaluation-table.ts";
import { formatSeconds } from "../report/table.ts";
import { type EvaluationRows, readEvaluationRows } from "../run/evaluation-rows.ts";
import {
  type CheckedBound,
  checkBounds,
  evaluateModel,
  evaluationDocument,
  type MetricBound,
} from "../run/model-evaluation.ts";
import { rowOptionsFor } from "../run/model-labels.ts";
import type { OutputMeaning } from "../run/prediction.ts";
import { kindProblem } from "../run/storage.ts";
import { readTaskRows } from "../run/task-rows.ts";
import type { SparseClassifier } from "../sparse/classifier.ts";
import type { NamedMetrics } from "../train/metrics/named-metrics.ts";
import { type Command, defineCommand, type ExitCode } from "./command.ts";
import type { Console } from "./console.ts";
import {
  createRowProgress,
  describeRows,
  INFERENCE_OPTIONS,
  type Inference,
  type InferenceValues,
  type OpenModel,
  rowFileProblems,
  withInference,
} from "./inference.ts";
import { choiceOption, type Option, type OptionValues, textOption } from "./options.ts";
import { ROW_OPTIONS } from "./row-options.ts";

/** Reads `accuracy=0.8` or several with commas. */
function readBounds(text: string): readonly MetricBound[] | undefined {
  const bounds = text.split(",").flatMap((part): readonly MetricBound[] => {
    const [, name, value] = /^\s*([A-Za-z0-9_-]+)=([+-]?(?:\d+\.?\d*|\.\d+))\s*$/.exec(part) ?? [];
    if (name === undefined || value === undefined) return [];
    return [{ name: name.replaceAll("-", "_"), least: Number(value) }];
  });
  return bounds.length === text.split(",").length ? bounds : undefined;
}

export const MIN: Option<readonly MetricBound[]> = {
  placeholder: "METRIC=VALUE",
  description:
    "exit with 1 if a metric is smaller, such as accuracy=0.8,macro_f1=0.75; may be given more than once",
  aliases: [],
  isFlag: false,
  expected: "METRIC=VALUE, or several with commas",
  read: readBounds,
  repeats: true,
};

const OPTIONS = {
  data: textOption(
    "FILE",
    "rows with labels: CSV, TSV, JSON or JSON Lines by name, also compressed",
  ),
  task: choiceOption(
    GLUE_TASK_NAMES,
    "--data is the directory of this GLUE task, or a file in its form",
  ),
  min: MIN,
  ...ROW_OPTIONS,
  ...INFERENCE_OPTIONS,
} as const;

/** What is evaluated. `label` names the option of the rows in problems. */
export interface EvaluationRequest {
  readonly directory: string;
  readonly label: string;
  readonly data: string;
  readonly task: GlueTask | undefined;
  readonly values: InferenceValues & OptionValues<typeof ROW_OPTIONS>;
  readonly min: readonly MetricBound[];
  /** Called when the model is loaded, before rows are computed. */
  readonly onLoaded?: (classifier: SparseClassifier) => void;
}

/** The metrics on one file. */
interface Evaluated {
  readonly rows: EvaluationRows;
  readonly metrics: NamedMetrics;
  readonly seconds: number;
}

/** The rows of every file, and what the metrics must reach. */
interface RowsAndBounds {
  readonly sets: readonly EvaluationRows[];
  readonly sample: EvaluationRows["sample"];
  readonly hasPairs: boolean;
  readonly bounds: readonly CheckedBound[];
}

/** Returns the problems of options and paths, before anything is read. */
async function requestProblems(request: EvaluationRequest): Promise<readonly Problem[]> {
  const { label, data, task, values } = request;
  if (task === undefined) return rowFileProblems(label, data, values);
  const isDirectory = (await nodeStorage.kind(data)) === "directory";
  const missing = isDirectory ? undefined : await kindProblem(nodeStorage, "file", label, data);
  const given = Object.keys(ROW_OPTIONS).filter((key) => Object.hasOwn(values, key));
  return [
    ...(missing === undefined ? [] : [missing]),
    ...given.map((key) => ({ path: `\`${key}\``, expected: "no `task` beside it", got: "both" })),
  ];
}

async function readSets(
  { label, data, task, values, min }: EvaluationRequest,
  { open, meaning }: OpenModel,
  { signal }: Console,
): Promise<RowsAndBounds> {
  const { bounds, problems } = checkBounds(min, meaning);
  if (problems.length > 0) throw new InputError(problems);
  const settings = { name: data, options: rowOptionsFor(open.config, values) };
  const readFile = async (): Promise<readonly EvaluationRows[]> => {
    const storage = await storageReadingTwice(data);
    return [getOrThrow(await readEvaluationRows(storage, settings, meaning, () => turn(signal)))];
  };
  const sets =
    task === undefined
      ? await readFile()
      : getOrThrow(await readTaskRows(nodeStorage, task, label, data, meaning));
  const sample = sets[0]?.sample ?? [];
  return { sets, sample, hasPairs: sets.some((set) => set.hasPairs), bounds };
}

async function evaluateSets(
  { model, meaning, rows: { sets }, settings }: Inference<RowsAndBounds>,
  threshold: number | undefined,
  console: Console,
): Promise<readonly Evaluated[]> {
  const evaluated: Evaluated[] = [];
  for (const rows of sets) {
    describeRows(console, rows);
    const progress = createRowProgress(console, "evaluate", rows.count);
    const began = performance.now();
    try {
      const onBatch = progress.add;
      const metrics = await evaluateModel(model, meaning, rows, {
        ...settings,
        threshold,
        onBatch,
      });
      evaluated.push({ rows, metrics, seconds: (performance.now() - began) / 1000 });
    } finally {
      progress.finish();
    }
  }
  return evaluated;
}

/** Evaluates a model, prints the result, and returns 1 if a metric is smaller than its bound. */
export async function evaluateRows(
  request: EvaluationRequest,
  json: boolean,
  console: Console,
): Promise<ExitCode> {
  const problems = await requestProblems(request);
  if (problems.length > 0) throw new InputError(problems);
  const { directory, label, values } = request;
  const read = (model: OpenModel) => readSets(request, model, console);
  const use = async (inference: Inference<RowsAndBounds>): Promise<ExitCode> => {
    const { meaning, model } = inference;
    request.onLoaded?.(model.classifier);
    const { bounds } = inference.rows;
    const evaluated = await evaluateSets(inference, values.threshold, console);
    const isSingle = evaluated.length === 1;
    if (json) {
      const [first, ...further] = evaluated.map((each) => fileJson(meaning, each, bounds));
      const { data: _, ...own } = { ...first };
      const { data, task } = request;
      const { problemType } = meaning;
      const threshold =
        problemType === "multi_label_classification" ? (values.threshold ?? 0.5) : undefined;
      const head = { model: directory, data, task, problemType, threshold };
      const document = isSingle ? { ...head, ...own } : { ...head, ...first, further };
      console.out.write(`${JSON.stringify(document)}\n`);
    } else
      for (const each of evaluated)
        console.out.write(`${isSingle ? "" : `${each.rows.path}\n\n`}${asText(meaning, each)}\n`);
    const missed = evaluated.flatMap(({ rows, metrics }) =>
      bounds.flatMap((bound) => missedBound(isSingle ? "" : `${rows.path}: `, bound, metrics)),
    );
    for (const line of missed) console.err.write(`${line}\n`);
    return missed.length === 0 ? 0 : 1;
  };
  return withInference(directory, label, values, console, read, use);
}

function isReached({ metric, least }: CheckedBound, { values }: NamedMetrics): boolean {
  const value = values.get(metric) ?? null;
  return value !== null && value >= least;
}

/** Returns the line about a bound that a metric misses. */
function missedBound(
  prefix: string,
  bound: CheckedBound,
  metrics: NamedMetrics,
): readonly string[] {
  if (isReached(bound, metrics)) return [];
  const { metric, least } = bound;
  const got = formatMetric(metrics.values.get(metric) ?? null);
  return [`${prefix}${METRIC_NAMES[metric].key}: expected at least ${least}, got ${got}`];
}

function asText({ names }: OutputMeaning, { rows, metrics, seconds }: Evaluated): string {
  const speed = (rows.count / seconds).toFixed(1);
  const end = `${counted(rows.count, "row")} in ${formatSeconds(seconds)} s, ${speed} a second`;
  return `${formatEvaluation(metrics, names)}\n\n${end}\n`;
}

/** The part of the document about one file. */
function fileJson(
  meaning: OutputMeaning,
  { rows, metrics, seconds }: Evaluated,
  bounds: readonly CheckedBound[],
) {
  return {
    data: rows.path,
    ...evaluationDocument(meaning, rows, metrics),
    ...(bounds.length > 0 && {
      bounds: bounds.map((bound) => {
        const { metric, least } = bound;
        return { metric: METRIC_NAMES[metric].key, least, reached: isReached(bound, metrics) };
      }),
    }),
    seconds,
    rowsPerSecond: rows.count / seconds,
  };
}

export const evaluateCommand: Command = defineCommand({
  name: "evaluate",
  summary: "compute the metrics of a classifier on rows with labels",
  description: [
    "MODEL is as for classify. Prints the metrics of the model's kind of problem, precision, recall and F1 of each label, the confusion matrix, and rows per second. Labels are read as names of the model's labels; other labels make bad rows. With --json, one document.",
  ],
  positionals: ["MODEL"],
  options: OPTIONS,
  run: ({ values, positionals: [directory = ""], json }, console) => {
    const { data, task, min = [] } = values;
    if (data === undefined) return refuseInput("--data", "a file of rows", "none");
    const request = { directory, label: "--data", data, task, values, min };
    return evaluateRows(request, json, console);
  },
});
