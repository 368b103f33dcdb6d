/** `espalier classify`: classifies texts, with the fastest execution for each layer. */

import { refuseInput } from "../core/either.ts";
import { GLUE_TASK_NAMES } from "../io/glue-tasks.ts";
import type { TextRow } from "../io/rows/row-reader.ts";
import { formatTable } from "../report/table.ts";
import { type Answer, answerOf } from "../run/classification.ts";
import { computeLogits } from "../run/inference.ts";
import type { SparseClassifier } from "../sparse/classifier.ts";
import { formatExecution } from "../sparse/execution.ts";
import { type Command, defineCommand, type ExitCode } from "./command.ts";
import type { Console } from "./console.ts";
import { evaluateRows, MIN } from "./evaluate.ts";
import { INFERENCE_OPTIONS, type Inference, withInference } from "./inference.ts";
import { choiceOption, flagOption, kebabCase, type OptionValues, textOption } from "./options.ts";
import {
  type PredictionOutput,
  type PredictionRequest,
  predictFile,
  predictionOutput,
  predictToFile,
} from "./predict.ts";
import { ROW_OPTIONS } from "./row-options.ts";

const OPTIONS = {
  text: textOption("TEXT", "a text to classify"),
  textPair: textOption("TEXT", "its second text, if the model takes pairs"),
  file: textOption("FILE", "rows to classify, as --data of predict"),
  out: textOption("FILE", "where predictions for --file are written (default: standard output)"),
  task: choiceOption(
    GLUE_TASK_NAMES,
    "--file has the form of this GLUE task, with labels: metrics are printed, as by evaluate",
  ),
  min: MIN,
  plan: flagOption("also print how each layer is computed, and the measured costs"),
  ...ROW_OPTIONS,
  ...INFERENCE_OPTIONS,
} as const;

type Values = OptionValues<typeof OPTIONS>;

/** A text to classify, or a file. */
type Input =
  | { readonly kind: "text"; readonly row: TextRow }
  | { readonly kind: "file"; readonly file: string };

/** Returns what the options name. @throws InputError if they name nothing, or contradict each other */
function inputOf(values: Values): Input {
  const { text, textPair, file, task, out, min } = values;
  if (min !== undefined && task === undefined) refuseInput("--min", "--task beside it", "none");
  if (text !== undefined && file !== undefined)
    return refuseInput("--text, --file", "one of them", "both");
  if (text !== undefined) {
    if (task !== undefined) refuseInput("--task", "a --file in the task's format", "--text");
    if (out !== undefined) refuseInput("--out", "--file beside it", "--text");
    for (const key of Object.keys(ROW_OPTIONS))
      if (Object.hasOwn(values, key))
        refuseInput(`--${kebabCase(key)}`, "--file beside it", "--text");
    return { kind: "text", row: { text, textPair: textPair ?? null } };
  }
  if (file === undefined) return refuseInput("--text, --file", "one of them", "neither");
  if (textPair !== undefined) refuseInput("--text-pair", "--text before it", "--file");
  if (task !== undefined && out !== undefined) refuseInput("--out", "no --task beside it", "both");
  return { kind: "file", file };
}

function printPlan(classifier: SparseClassifier, json: boolean, { out }: Console): void {
  const { costs, feedForwards, bytes } = classifier;
  if (json) {
    const layers = classifier.layers.map((layer) => ({
      name: layer.name,
      execution: formatExecution(layer.execution),
      denseMicroseconds: layer.denseMicroseconds,
      microseconds: layer.microseconds,
    }));
    const event = { event: "plan", costs, layers, feedForwards, bytes };
    out.write(`${JSON.stringify(event)}\n`);
    return;
  }
  const table = formatTable({
    header: ["layer", "shape", "computed by", "dense µs", "predicted µs", "bytes"],
    rows: classifier.layers.map((layer) => [
      layer.name,
      `${layer.facts.outputs}x${layer.facts.inputs}`,
      formatExecution(layer.execution),
      layer.denseMicroseconds.toFixed(1),
      layer.microseconds.toFixed(1),
      String(layer.bytes),
    ]),
  });
  out.write(`${table}\n\n`);
  for (const { name, units, kept, constant } of feedForwards)
    out.write(
      `${name}: ${kept} of ${units} hidden units kept${constant > 0 ? `, ${constant} of them constant` : ""}\n`,
    );
  out.write(`weights: ${bytes} bytes\ncosts, in nanoseconds: ${JSON.stringify(costs)}\n\n`);
}

/** Writes an answer as a line of JSON. */
function answerEvent(answer: Answer, index: number): string {
  const { text, textPair, ...found } = answer;
  return `${JSON.stringify({ event: "text", index, text, textPair, label: null, ...found })}\n`;
}

function endEvent(texts: number, seconds: number): string {
  const end = { event: "end", texts, accuracy: null, f1: null, seconds };
  return `${JSON.stringify(end)}\n`;
}

function answerTable(one: Answer): string {
  const shown = one.textPair === undefined ? one.text : `${one.text} | ${one.textPair}`;
  if (one.probabilities === null) {
    const value = (one.logits[0] ?? 0).toFixed(4);
    return formatTable({ header: ["value", "text"], rows: [[value, shown]] });
  }
  const share = Math.max(...one.probabilities).toFixed(4);
  const answer = one.answer ?? (one.labels?.join(", ") || "-");
  return formatTable({ header: ["answer", "share", "text"], rows: [[answer, share, shown]] });
}

async function classifyText(
  directory: string,
  row: TextRow,
  values: Values,
  json: boolean,
  console: Console,
): Promise<ExitCode> {
  const rows = { sample: [row], hasPairs: row.textPair !== null };
  const use = async ({ model, meaning, settings }: Inference<typeof rows>): Promise<ExitCode> => {
    if (values.plan === true) printPlan(model.classifier, json, console);
    const began = performance.now();
    const logits = await computeLogits(model, [row], settings, () => "text 1");
    const answer = answerOf(meaning, row, logits, values.threshold);
    const seconds = (performance.now() - began) / 1000;
    const text = `${answerTable(answer)}\n`;
    console.out.write(json ? answerEvent(answer, 0) + endEvent(1, seconds) : text);
    return 0;
  };
  return withInference(directory, "--text-pair", values, console, async () => rows, use);
}

/** Prints the predictions for a file as CSV, or as lines of JSON. */
async function printPredictions(
  request: PredictionRequest,
  json: boolean,
  console: Console,
): Promise<ExitCode> {
  const write = async (text: string): Promise<void> => console.out.write(text);
  let index = 0;
  const events: PredictionOutput = {
    header: () => "",
    row: ({ meaning }, row, logits) =>
      answerEvent(answerOf(meaning, row, logits, request.values.threshold), index++),
    write,
  };
  const output = json ? events : predictionOutput("csv", request.values, write);
  const { rows, seconds } = await predictFile(request, output, console);
  if (json) console.out.write(endEvent(rows.count, seconds));
  return 0;
}

export const classifyCommand: Command = defineCommand({
  name: "classify",
  summary: "classify texts with a dense, pruned or packed model",
  description: [
    "MODEL is a directory, or a model in the Hugging Face cache, with config.json, a tokenizer, and weights for sequence classification in any form that inspect reads, packed or not. Every linear layer gets the execution that is fastest on this machine for its zeros: dense, by kept blocks, or without zero rows and columns. Costs are measured first, in half a second to a second.",
    "--file is predict with --data, and prints predictions without --out; with --task it is evaluate.",
  ],
  positionals: ["MODEL"],
  options: OPTIONS,
  run: ({ values, positionals: [directory = ""], json }, console) => {
    const input = inputOf(values);
    if (input.kind === "text") return classifyText(directory, input.row, values, json, console);
    const { task, out, min = [], plan = false } = values;
    const onLoaded = (classifier: SparseClassifier): void => {
      if (plan) printPlan(classifier, json, console);
    };
    const request = { directory, label: "--file", data: input.file, values, onLoaded };
    if (task !== undefined) return evaluateRows({ ...request, task, min }, json, console);
    if (out !== undefined) return predictToFile(request, out, json, console);
    return printPredictions(request, json, console);
  },
});
