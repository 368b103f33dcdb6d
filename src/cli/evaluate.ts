/** `espalier evaluate`: computes the metrics of a model on rows with labels. */

import { getOrThrow, InputError, type Problem, refuseInput } from "../core/either.ts";
import { METRIC_NAMES } from "../core/metric-names.ts";
import { type GlueTask, parseGlueTsv } from "../io/glue.ts";
import { optionProblems } from "../io/rows/options.ts";
import { toProblem } from "../io/rows/problems.ts";
import { readText } from "../node/files.ts";
import { nodeStorage } from "../node/storage.ts";
import { turn } from "../node/turn.ts";
import { formatEvaluation, formatMetric } from "../report/evaluation-table.ts";
import { formatSeconds } from "../report/table.ts";
import { type EvaluationRows, readEvaluationRows, taskRows } from "../run/evaluation-rows.ts";
import {
  type CheckedBound,
  checkBounds,
  evaluateModel,
  type MetricBound,
} from "../run/model-evaluation.ts";
import type { OutputMeaning } from "../run/prediction.ts";
import { joinPath, kindProblem } from "../run/storage.ts";
import type { NamedMetrics } from "../train/metrics/named-metrics.ts";
import { type Command, defineCommand, type ExitCode } from "./command.ts";
import type { Console } from "./console.ts";
import {
  createRowProgress,
  INFERENCE_OPTIONS,
  type Inference,
  type InferenceValues,
  noteSkipped,
  withInference,
} from "./inference.ts";
import { choiceOption, type Option, type OptionValues, textOption } from "./options.ts";
import { ROW_OPTIONS } from "./row-options.ts";

const TASKS: readonly GlueTask[] = ["mrpc", "sst2"];

/** Reads `accuracy=0.8` or several with commas. */
function readBounds(text: string): readonly MetricBound[] | undefined {
  const bounds = text.split(",").flatMap((part): readonly MetricBound[] => {
    const [, name, value] = /^\s*([A-Za-z0-9_-]+)=([+-]?(?:\d+\.?\d*|\.\d+))\s*$/.exec(part) ?? [];
    if (name === undefined || value === undefined) return [];
    return [{ name: name.replaceAll("-", "_"), least: Number(value) }];
  });
  return bounds.length === text.split(",").length ? bounds : undefined;
}

const MIN: Option<readonly MetricBound[]> = {
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
  task: choiceOption(TASKS, "--data is the directory of this GLUE task, or a file in its form"),
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
}

interface Evaluated {
  readonly meaning: OutputMeaning;
  readonly rows: EvaluationRows;
  readonly metrics: NamedMetrics;
  readonly bounds: readonly CheckedBound[];
  readonly seconds: number;
}

/** Returns the problems of options and paths, before anything is read. */
async function requestProblems({
  label,
  data,
  task,
  values,
}: EvaluationRequest): Promise<readonly Problem[]> {
  const isDirectory = (await nodeStorage.kind(data)) === "directory";
  const missing =
    task !== undefined && isDirectory
      ? undefined
      : await kindProblem(nodeStorage, "file", label, data);
  const given = Object.keys(ROW_OPTIONS).filter((key) => Object.hasOwn(values, key));
  const unused = task === undefined ? [] : given;
  return [
    ...(missing === undefined ? [] : [missing]),
    ...unused.map((key) => ({ path: `\`${key}\``, expected: "no `task` beside it", got: "both" })),
    ...optionProblems(values).map(toProblem),
  ];
}

async function readTask(
  task: GlueTask,
  data: string,
  { names, problemType }: OutputMeaning,
): Promise<EvaluationRows> {
  if (problemType !== "single_label_classification" || names.length !== 2) {
    const got = `${problemType} with ${names.length} in MODEL`;
    return refuseInput("--task", "single_label_classification with 2 labels", got);
  }
  const isDirectory = (await nodeStorage.kind(data)) === "directory";
  const path = isDirectory ? joinPath(data, "dev.tsv") : data;
  const missing = await kindProblem(nodeStorage, "file", "--data", path);
  if (missing !== undefined) throw new InputError([missing]);
  const examples = getOrThrow(parseGlueTsv(task, path, await readText(path)));
  return taskRows(path, examples, 2, false);
}

/** Evaluates a model, prints the result, and returns 1 if a metric is smaller than its bound. */
export async function evaluateRows(
  request: EvaluationRequest,
  json: boolean,
  console: Console,
): Promise<ExitCode> {
  const problems = await requestProblems(request);
  if (problems.length > 0) throw new InputError(problems);
  const { directory, label, data, task, values, min } = request;
  const read = async ({ meaning }: { readonly meaning: OutputMeaning }) => {
    const checked = checkBounds(min, meaning);
    if (checked.problems.length > 0) throw new InputError(checked.problems);
    const settings = { name: data, options: values };
    const rows =
      task === undefined
        ? getOrThrow(
            await readEvaluationRows(nodeStorage, settings, meaning, () => turn(console.signal)),
          )
        : await readTask(task, data, meaning);
    return { ...rows, bounds: checked.bounds };
  };
  const use = async (
    inference: Inference<EvaluationRows & { readonly bounds: readonly CheckedBound[] }>,
  ): Promise<Evaluated> => {
    const { model, meaning, rows, settings } = inference;
    noteSkipped(console, rows.path, rows.skipped);
    const progress = createRowProgress(console, "evaluate", rows.count);
    const began = performance.now();
    try {
      const { threshold } = values;
      const metrics = await evaluateModel(model, meaning, rows, {
        ...{ ...settings, threshold, onBatch: progress.add },
      });
      const seconds = (performance.now() - began) / 1000;
      return { meaning, rows, metrics, bounds: rows.bounds, seconds };
    } finally {
      progress.finish();
    }
  };
  const evaluated = await withInference(directory, label, values, console, read, use);
  console.out.write(json ? `${JSON.stringify(asJson(request, evaluated))}\n` : asText(evaluated));
  const missed = evaluated.bounds.filter((bound) => !isReached(bound, evaluated));
  for (const { metric, least } of missed) {
    const value = evaluated.metrics.values.get(metric) ?? null;
    const name = METRIC_NAMES[metric].key;
    console.err.write(`${name}: expected at least ${least}, got ${formatMetric(value)}\n`);
  }
  return missed.length === 0 ? 0 : 1;
}

function isReached({ metric, least }: CheckedBound, { metrics }: Evaluated): boolean {
  const value = metrics.values.get(metric) ?? null;
  return value !== null && value >= least;
}

function asText({ meaning, rows, metrics, seconds }: Evaluated): string {
  const speed = (rows.count / seconds).toFixed(1);
  const end = `${rows.count} rows in ${formatSeconds(seconds)} s, ${speed} a second`;
  return `${formatEvaluation(metrics, meaning.names)}\n\n${end}\n`;
}

function asJson(
  { directory, data, task, values }: EvaluationRequest,
  evaluated: Evaluated,
): object {
  const { meaning, rows, metrics, bounds, seconds } = evaluated;
  const { problemType, names } = meaning;
  const { values: found, perClass, confusion } = metrics;
  const labels = perClass.map(({ id }) => names[id] ?? String(id));
  return {
    ...{ model: directory, data, task, problemType, rows: rows.count },
    skipped: Object.fromEntries(rows.skipped.counts),
    ...(problemType === "multi_label_classification" && { threshold: values.threshold ?? 0.5 }),
    metrics: Object.fromEntries([...found].map(([name, value]) => [METRIC_NAMES[name].key, value])),
    ...(perClass.length > 0 && {
      classes: perClass.map(({ precision, recall, f1, support }, i) => {
        return { label: labels[i], precision, recall, f1, rows: support };
      }),
    }),
    ...(confusion !== null && { confusion: { labels, counts: confusion } }),
    ...(bounds.length > 0 && {
      bounds: bounds.map((bound) => {
        const { metric, least } = bound;
        return { metric: METRIC_NAMES[metric].key, least, reached: isReached(bound, evaluated) };
      }),
    }),
    ...{ seconds, rowsPerSecond: rows.count / seconds },
  };
}

export const evaluateCommand: Command = defineCommand({
  name: "evaluate",
  summary: "compute the metrics of a classifier on rows with labels",
  description: [
    "MODEL is a directory as for classify. Prints the metrics of the model's kind of problem, precision, recall and F1 of each label, the confusion matrix, and rows per second. Labels are read as names of the model's labels; other labels make bad rows. With --json, one document.",
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
