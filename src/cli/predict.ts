/** `espalier predict`: writes the labels and probabilities of rows. */
import { counted } from "../core/counted.ts";
import { getOrThrow, InputError, refuseInput } from "../core/either.ts";
import { countProblems } from "../io/rows/problems.ts";
import type { ReadRow } from "../io/rows/row-reader.ts";
import { storageReadingTwice } from "../node/storage.ts";
import { checkNewFile, createTextFile, type TextFile } from "../node/text-file.ts";
import { turn } from "../node/turn.ts";
import { formatSeconds } from "../report/table.ts";
import { inferInWindows } from "../run/inference.ts";
import { rowOptionsFor } from "../run/model-labels.ts";
import {
  formatPrediction,
  type PredictionForm,
  type PredictionFormat,
  predictionForm,
  predictionHeader,
  predictionOf,
} from "../run/prediction.ts";
import { readPredictionRows } from "../run/prediction-rows.ts";
import type { InferenceRows } from "../run/row-passes.ts";
import type { SparseClassifier } from "../sparse/classifier.ts";
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
import { type OptionValues, textOption } from "./options.ts";
import { ROW_OPTIONS } from "./row-options.ts";

const OPTIONS = {
  data: textOption(
    "FILE",
    "rows: CSV, TSV, JSON or JSON Lines by name, also compressed; else a text on each line, with a tab before the second text of a pair",
  ),
  out: textOption(
    "FILE",
    "predictions: .csv or .jsonl, and .gz to compress; nothing may exist there",
  ),
  ...ROW_OPTIONS,
  ...INFERENCE_OPTIONS,
} as const;

/** A file of rows for a model. `label` names the option of the file in problems. */
export interface PredictionRequest {
  readonly directory: string;
  readonly label: string;
  readonly data: string;
  readonly values: OptionValues<typeof ROW_OPTIONS> & InferenceValues;
  /** Called when the model is loaded, before rows are computed. */
  readonly onLoaded?: (classifier: SparseClassifier) => void;
}

/** Where and how predictions are written. */
export interface PredictionOutput {
  readonly header: (format: PredictionFormat) => string;
  readonly row: (format: PredictionFormat, row: ReadRow, logits: Float32Array) => string;
  readonly write: (text: string) => Promise<void>;
}

/** Rows, with the separator of labels that an option or the model gives. */
interface RowsToPredict extends InferenceRows {
  readonly labelSeparator: string | undefined;
}

export interface Predicted {
  readonly rows: InferenceRows;
  readonly seconds: number;
}

/** Checks the path of predictions. @throws InputError if it cannot be written, or has an unknown ending */
function checkOut(out: string | undefined): {
  readonly path: string;
  readonly form: PredictionForm;
} {
  const expected = "a path that ends with .csv or .jsonl, and .gz to compress";
  const form = out === undefined ? undefined : predictionForm(out);
  if (out === undefined || form === undefined) return refuseInput("--out", expected, out ?? "none");
  checkNewFile("--out", out);
  return { path: out, form };
}

/** Predicts all rows of a file and passes the text of the predictions on. */
export async function predictFile(
  { directory, label, data, values, onLoaded }: PredictionRequest,
  output: PredictionOutput,
  console: Console,
): Promise<Predicted> {
  const problems = await rowFileProblems(label, data, values);
  if (problems.length > 0) throw new InputError(problems);
  const read = async ({ open }: OpenModel): Promise<RowsToPredict> => {
    const options = rowOptionsFor(open.config, values);
    const storage = await storageReadingTwice(data);
    const settings = { name: data, options };
    const rows = await readPredictionRows(storage, settings, () => turn(console.signal));
    return { ...getOrThrow(rows), labelSeparator: options.labelSeparator };
  };
  const use = async (inference: Inference<RowsToPredict>): Promise<Predicted> => {
    const { rows, model } = inference;
    onLoaded?.(model.classifier);
    describeRows(console, rows);
    const began = performance.now();
    await writePredictions(inference, values.skipBadRows ?? false, output, console);
    return { rows, seconds: (performance.now() - began) / 1000 };
  };
  return withInference(directory, label, values, console, read, use);
}

async function writePredictions(
  { model, meaning, rows, settings }: Inference<RowsToPredict>,
  withLines: boolean,
  output: PredictionOutput,
  console: Console,
): Promise<void> {
  const outputs = meaning.names.length;
  const format = { meaning, labelSeparator: rows.labelSeparator, withLines };
  const progress = createRowProgress(console, "predict", rows.count);
  await output.write(output.header(format));
  try {
    await inferInWindows(
      model,
      rows.pieces,
      { ...settings, onBatch: progress.add },
      ({ line }) => `${rows.path}:${line}`,
      async (window, logits) => {
        const texts = window.map((row, i) =>
          output.row(format, row, logits.subarray(i * outputs, (i + 1) * outputs)),
        );
        await output.write(texts.join(""));
      },
    );
  } finally {
    progress.finish();
  }
}

/** Returns an output of predictions in a form. */
export function predictionOutput(
  form: PredictionForm,
  { threshold }: PredictionRequest["values"],
  write: (text: string) => Promise<void>,
): PredictionOutput {
  return {
    header: (format) => {
      checkSeparator(form, format);
      return predictionHeader(form, format);
    },
    row: (format, { line }, logits) =>
      formatPrediction(form, format, predictionOf(format.meaning, logits, threshold), line),
    write,
  };
}

/** Checks that labels with a separator between them can be told apart. @throws InputError */
function checkSeparator(
  form: PredictionForm,
  { labelSeparator: separator, meaning: { problemType, names } }: PredictionFormat,
): void {
  if (form !== "csv" || separator === undefined || problemType !== "multi_label_classification")
    return;
  const name = names.find((each) => each.includes(separator));
  if (name !== undefined)
    refuseInput("--label-separator", "a character that no label of the model has", name);
}

/** Writes the predictions for a file to `out`. An incomplete file is removed. */
export async function predictToFile(
  request: PredictionRequest,
  out: string | undefined,
  json: boolean,
  console: Console,
): Promise<ExitCode> {
  const { path, form } = checkOut(out);
  let file: TextFile | undefined;
  try {
    const write = async (text: string): Promise<void> => {
      file ??= createTextFile(path);
      await file.write(text);
    };
    const output = predictionOutput(form, request.values, write);
    const { rows, seconds } = await predictFile(request, output, console);
    await file?.commit();
    const rate = rows.count / seconds;
    const skipped = countProblems(rows.skipped);
    const result = { out: path, rows: rows.count, skipped, seconds, rowsPerSecond: rate };
    const text = `${path}: ${counted(rows.count, "row")} in ${formatSeconds(seconds)} s, ${rate.toFixed(1)} a second`;
    console.out.write(`${json ? JSON.stringify(result) : text}\n`);
    return 0;
  } finally {
    file?.discard();
  }
}

export const predictCommand: Command = defineCommand({
  name: "predict",
  summary: "write labels and probabilities for a file of rows",
  description: [
    "MODEL is as for classify. The rows need no labels. Each row gets a label and the probability of each class; a row of several labels, those above the threshold and the probability of each; a row of regression, its value. Rows are read, computed and written in pieces, in their order.",
  ],
  positionals: ["MODEL"],
  options: OPTIONS,
  run: async ({ values, positionals: [directory = ""], json }, console) => {
    const { data, out } = values;
    if (data === undefined) return refuseInput("--data", "a file of rows", "none");
    return predictToFile({ directory, label: "--data", data, values }, out, json, console);
  },
});
