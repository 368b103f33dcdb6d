/** `espalier classify`: answers of a classifier to texts, with each layer computed in the way that is fastest. */

import { basename } from "node:path";
import { InputError } from "../core/either.ts";
import { type Example, parseGlueTsvOrThrow } from "../io/glue.ts";
import { splitLines } from "../io/lines.ts";
import { encode, type Tokenizer } from "../io/tokenizer.ts";
import type { ModelConfig } from "../model/config.ts";
import { chooseVariant } from "../node/engine.ts";
import { readText } from "../node/files.ts";
import { type LoadedClassifier, loadSparseClassifier } from "../node/sparse-classifier.ts";
import { nodeStorage } from "../node/storage.ts";
import { createNodeBackend } from "../node/threaded-backend.ts";
import { turn } from "../node/turn.ts";
import { formatSeconds, formatTable } from "../report/table.ts";
import { fileProblem } from "../run/storage.ts";
import { formatExecution } from "../sparse/execution.ts";
import { type Predictions, predictedClasses, scorePredictions } from "../train/evaluation.ts";
import { padExamples } from "../train/examples.ts";
import { type Command, defineCommand } from "./command.ts";
import type { Console } from "./console.ts";
import {
  choiceOption,
  flagOption,
  integerOption,
  type OptionValues,
  textOption,
} from "./options.ts";

const OPTIONS = {
  text: textOption("TEXT", "a text to classify"),
  textPair: textOption("TEXT", "its second text, where the model takes pairs"),
  file: textOption("FILE", "texts to classify, a line each, a tab before the second one of a pair"),
  task: choiceOption(
    ["mrpc", "sst2"],
    "FILE has this GLUE task's format, with labels: accuracy and F1 are stated",
  ),
  layers: choiceOption(
    ["auto", "dense"],
    "how linear layers are computed: by the fastest way that their zeros allow (default), or as they are",
  ),
  plan: flagOption("also state how each layer is computed, and what was measured"),
  batchSize: integerOption({ least: 1, most: 4096 }, "texts at once (default 32)"),
  maxLength: integerOption({ least: 3 }, "longest input in tokens (default: the model's)", [
    "max-seq-length",
  ]),
  threads: integerOption({ least: 1, most: 256 }, "threads (default: one for each core)"),
  variant: choiceOption(
    ["auto", "revectorized", "fma", "simd", "scalar"],
    "kernels to run (default auto: the fastest that passes its self-test here)",
  ),
  verbose: flagOption("say how kernels were chosen"),
} as const;

type Values = OptionValues<typeof OPTIONS>;

/** From so many tokens on the costs of all ways grow alike. */
const PROPORTIONAL_TOKENS = 128;

/** A text, or a pair of texts, with its label where there is one. */
type Row = Omit<Example, "label"> & { readonly label: number | null };

function refuse(path: string, expected: string, got: string): never {
  throw new InputError([{ path, expected, got }]);
}

async function readRows({ text, textPair, file, task }: Values): Promise<readonly Row[]> {
  if ((text === undefined) === (file === undefined))
    return refuse("--text, --file", "one of them", text === undefined ? "neither" : "both");
  if (text !== undefined) {
    if (task !== undefined) refuse("--task", "a --file in the task's format", "--text");
    return [{ text, label: null, ...(textPair === undefined ? {} : { textPair }) }];
  }
  if (textPair !== undefined) refuse("--text-pair", "--text before it", "--file");
  const path = file ?? "";
  const problem = await fileProblem(nodeStorage, "--file", path);
  if (problem !== undefined) throw new InputError([problem]);
  const content = await readText(path);
  if (task !== undefined) return parseGlueTsvOrThrow(task, basename(path), content);
  const rows = splitLines(content).map((line, i): Row => {
    const [first = "", second, third] = line.split("\t");
    if (third !== undefined)
      return refuse(`${path}:${i + 1}`, "a text, or two with a tab between them", "more");
    return { text: first, label: null, ...(second === undefined ? {} : { textPair: second }) };
  });
  return rows.length > 0 ? rows : refuse(path, "at least one line", "none");
}

/** Tokens that texts are cut to. */
function longestInput(
  { maxPositions }: ModelConfig,
  { maxLength = maxPositions }: Pick<Values, "maxLength">,
): number {
  if (maxLength > maxPositions)
    refuse("--max-length", `at most the model's ${maxPositions}`, String(maxLength));
  return maxLength;
}

/** Tokens for which ways are chosen: those of the first batch, or so many that more cost in proportion. */
function plannedTokens(
  tokenizer: Tokenizer,
  rows: readonly Row[],
  batchSize: number,
  maxLength: number,
): number {
  let tokens = 0;
  for (const { text, textPair } of rows.slice(0, batchSize)) {
    tokens += encode(tokenizer, text, textPair, maxLength).inputIds.length;
    if (tokens >= PROPORTIONAL_TOKENS) return PROPORTIONAL_TOKENS;
  }
  return tokens;
}

/** Shares of the classes: softmax of logits. */
function probabilitiesOf(logits: Float32Array): readonly number[] {
  const largest = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(logit - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

/**
 * Logits of all rows, a batch at a time.
 *
 * @throws InputError for the first row that has one that is not finite
 */
async function logitsOf(
  { classifier, tokenizer }: LoadedClassifier,
  rows: readonly Row[],
  { batchSize = 32, ...values }: Values,
  { signal }: Console,
): Promise<Float32Array> {
  const { labels: classes, padTokenId } = classifier.config;
  const maxLength = longestInput(classifier.config, values);
  const logits = new Float32Array(rows.length * classes);
  for (let start = 0; start < rows.length; start += batchSize) {
    await turn(signal);
    const batch = rows.slice(start, start + batchSize).map(({ text, textPair }) => ({
      ...encode(tokenizer, text, textPair, maxLength),
      label: 0,
    }));
    logits.set(classifier.logits(padExamples(batch, padTokenId)), start * classes);
  }
  const wrong = logits.findIndex((logit) => !Number.isFinite(logit));
  if (wrong >= 0)
    refuse(
      `text ${Math.floor(wrong / classes) + 1}`,
      "logits that are finite",
      String(logits[wrong]),
    );
  return logits;
}

function printPlan({ classifier }: LoadedClassifier, { out }: Console): void {
  const { costs, layers, feedForwards, bytes } = classifier;
  const table = formatTable({
    header: ["layer", "shape", "computed by", "dense µs", "predicted µs", "bytes"],
    rows: layers.map(({ name, facts, execution, ...layer }) => [
      ...[name, `${facts.outputs}x${facts.inputs}`, formatExecution(execution)],
      ...[layer.denseMicroseconds.toFixed(1), layer.microseconds.toFixed(1), String(layer.bytes)],
    ]),
  });
  out.write(`${table}\n\n`);
  for (const { name, units, kept, constant } of feedForwards)
    out.write(
      `${name}: ${kept} of ${units} hidden units kept${constant > 0 ? `, ${constant} of them constant` : ""}\n`,
    );
  out.write(`weights: ${bytes} bytes\ncosts, in nanoseconds: ${JSON.stringify(costs)}\n\n`);
}

/** Prints answers; accuracy and F1 where there are labels. */
function printAnswers(
  { labels }: LoadedClassifier,
  rows: readonly Row[],
  predictions: Predictions,
  seconds: number,
  json: boolean,
  { out }: Console,
): void {
  const { logits, classes } = predictions;
  const answers = predictedClasses(predictions);
  const isRegression = classes === 1;
  const table: (readonly string[])[] = [];
  rows.forEach(({ text, textPair, label }, i) => {
    const own = logits.subarray(i * classes, (i + 1) * classes);
    const answer = answers[i] ?? 0;
    const name = isRegression ? null : (labels[answer] ?? String(answer));
    const probabilities = isRegression ? null : probabilitiesOf(own);
    if (json) {
      const event = { event: "text", index: i, text, textPair, label, answer: name, class: answer };
      out.write(`${JSON.stringify({ ...event, probabilities, logits: Array.from(own) })}\n`);
      return;
    }
    const figure = probabilities?.[answer] ?? own[0] ?? 0;
    const shown = textPair === undefined ? text : `${text} | ${textPair}`;
    table.push([...(name === null ? [] : [name]), figure.toFixed(4), shown]);
  });
  const labelled = rows.every(({ label }) => label !== null);
  const scores = labelled ? scorePredictions(predictions) : null;
  const speed = rows.length / seconds;
  if (json) {
    const { accuracy = null, f1 = null } = scores ?? {};
    const end = { event: "end", texts: rows.length, accuracy, f1, seconds };
    out.write(`${JSON.stringify(end)}\n`);
    return;
  }
  const header = isRegression ? ["value", "text"] : ["answer", "share", "text"];
  if (scores === null || scores.accuracy === null)
    out.write(`${formatTable({ header, rows: table })}\n`);
  else
    out.write(
      `accuracy ${scores.accuracy.toFixed(4)}, F1 ${scores.f1?.toFixed(4) ?? "-"} over ${rows.length} texts\n`,
    );
  if (rows.length > 1)
    out.write(
      `${rows.length} texts in ${formatSeconds(seconds)} s, ${speed.toFixed(1)} a second\n`,
    );
}

/** The command. */
export const classifyCommand: Command = defineCommand({
  name: "classify",
  summary: "classify texts with a dense, pruned or packed model",
  description: [
    "MODEL is a directory with config.json, vocab.txt and weights of BERT or DistilBERT for sequence classification, in any form that inspect reads, packed or not. Every linear layer is computed in the way that is fastest on this machine for the zeros that it has: dense, by its kept blocks, or without its zero rows and columns. Costs are measured first, in half a second to a second.",
  ],
  positionals: ["MODEL"],
  options: OPTIONS,
  run: async ({ values, positionals: [directory = ""], json }, console) => {
    const rows = await readRows(values);
    const { variant = "auto", threads, layers = "auto" } = values;
    const chosen = await chooseVariant(variant, console.engine);
    for (const note of values.verbose === true ? chosen.notes : chosen.failures)
      console.err.write(`${note}\n`);
    const backend = await createNodeBackend({
      variant: chosen.variant,
      ...(threads === undefined ? {} : { threads }),
    });
    try {
      const loaded = await loadSparseClassifier(directory, backend, {
        executions: layers,
        tokens: (tokenizer, config) =>
          plannedTokens(tokenizer, rows, values.batchSize ?? 32, longestInput(config, values)),
      });
      if (values.plan === true && !json) printPlan(loaded, console);
      if (values.plan === true && json) {
        const { costs, layers: planned, feedForwards, bytes } = loaded.classifier;
        const plan = planned.map(({ name, execution, denseMicroseconds, microseconds }) => ({
          ...{ name, execution: formatExecution(execution), denseMicroseconds, microseconds },
        }));
        const event = { event: "plan", costs, layers: plan, feedForwards, bytes };
        console.out.write(`${JSON.stringify(event)}\n`);
      }
      const began = performance.now();
      const logits = await logitsOf(loaded, rows, values, console);
      const seconds = (performance.now() - began) / 1000;
      const classes = loaded.classifier.config.labels;
      const labels = rows.map(({ label }) => label ?? 0);
      const predictions = { logits, labels, classes, loss: Number.NaN };
      printAnswers(loaded, rows, predictions, seconds, json, console);
      return 0;
    } catch (error) {
      if (console.signal.aborted) return 130;
      throw error;
    } finally {
      backend.stop();
    }
  },
});
