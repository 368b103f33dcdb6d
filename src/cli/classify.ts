/** `espalier classify`: classifies texts, with the fastest execution for each layer. */

import { basename } from "node:path";
import { getOrThrow, InputError, refuseInput } from "../core/either.ts";
import { pairProblems } from "../experiment/model-fit.ts";
import { parseGlueTsv } from "../io/glue.ts";
import { TOKENIZER_KINDS } from "../io/hugging-face.ts";
import type { Tokenizer } from "../io/tokenizer.ts";
import type { ModelConfig } from "../model/config.ts";
import { chooseVariant } from "../node/engine.ts";
import { readText } from "../node/files.ts";
import { loadSparseClassifier, nodeStorage } from "../node/storage.ts";
import { createNodeBackend } from "../node/threaded-backend.ts";
import { turn } from "../node/turn.ts";
import { formatSeconds, formatTable } from "../report/table.ts";
import {
  type Classification,
  classifyTexts,
  firstBatchTokens,
  parseTextLines,
  type TextRow,
} from "../run/classification.ts";
import { kindProblem } from "../run/storage.ts";
import type { SparseClassifier } from "../sparse/classifier.ts";
import { formatExecution } from "../sparse/execution.ts";
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
  textPair: textOption("TEXT", "its second text, if the model takes pairs"),
  file: textOption(
    "FILE",
    "texts to classify, one a line, with a tab before the second text of a pair",
  ),
  task: choiceOption(
    ["mrpc", "sst2"],
    "FILE has the format of this GLUE task, with labels: accuracy and F1 are reported",
  ),
  layers: choiceOption(
    ["auto", "dense"],
    "how linear layers are computed: with the fastest execution for their zeros (default), or dense",
  ),
  tokenizer: choiceOption(
    TOKENIZER_KINDS,
    "the model's tokenizer, named as in transformers (default fast if it has a tokenizer.json)",
  ),
  plan: flagOption("also print how each layer is computed, and the measured costs"),
  batchSize: integerOption({ least: 1, most: 4096 }, "texts at once (default 32)"),
  maxLength: integerOption({ least: 3 }, "longest input in tokens (default: the model's)", [
    "max-seq-length",
  ]),
  threads: integerOption({ least: 1, most: 256 }, "threads (default: one for each core)"),
  variant: choiceOption(
    ["auto", "revectorized", "fma", "simd", "scalar"],
    "kernels to run (default auto: the fastest that passes its self-test here)",
  ),
  verbose: flagOption("print how kernels were chosen"),
} as const;

type Values = OptionValues<typeof OPTIONS>;

async function readRows({ text, textPair, file, task }: Values): Promise<readonly TextRow[]> {
  if (text !== undefined && file !== undefined)
    return refuseInput("--text, --file", "one of them", "both");
  if (text !== undefined) {
    if (task !== undefined) refuseInput("--task", "a --file in the task's format", "--text");
    return [{ text, label: null, ...(textPair !== undefined && { textPair }) }];
  }
  if (file === undefined) return refuseInput("--text, --file", "one of them", "neither");
  if (textPair !== undefined) refuseInput("--text-pair", "--text before it", "--file");
  const problem = await kindProblem(nodeStorage, "file", "--file", file);
  if (problem !== undefined) throw new InputError([problem]);
  const content = await readText(file);
  return getOrThrow(
    task === undefined
      ? parseTextLines(file, content)
      : parseGlueTsv(task, basename(file), content),
  );
}

/**
 * Returns the maximum number of tokens in an input; by default, the smaller of the model's and the tokenizer's maximum.
 * Longer texts are truncated.
 */
function longestInput(
  { maxPositions }: ModelConfig,
  tokenizer: Tokenizer,
  {
    maxLength = Math.min(maxPositions, tokenizer.maxLength ?? maxPositions),
  }: Pick<Values, "maxLength">,
): number {
  if (maxLength > maxPositions)
    refuseInput("--max-length", `at most the model's ${maxPositions}`, String(maxLength));
  return maxLength;
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

function printJson(
  { answers, accuracy, f1 }: Classification,
  seconds: number,
  { out }: Console,
): void {
  answers.forEach(({ text, textPair, label, answer, class: index, probabilities, logits }, i) => {
    const found = { answer, class: index, probabilities, logits };
    out.write(`${JSON.stringify({ event: "text", index: i, text, textPair, label, ...found })}\n`);
  });
  const end = { event: "end", texts: answers.length, accuracy, f1, seconds };
  out.write(`${JSON.stringify(end)}\n`);
}

function printText(
  { answers, accuracy, f1 }: Classification,
  seconds: number,
  { out }: Console,
): void {
  const texts = answers.length;
  if (accuracy === null) {
    const isRegression = answers[0]?.answer === null;
    const rows = answers.map((one) => {
      const shown = one.textPair === undefined ? one.text : `${one.text} | ${one.textPair}`;
      if (one.answer === null) return [(one.logits[0] ?? 0).toFixed(4), shown];
      return [one.answer, (one.probabilities?.[one.class] ?? 0).toFixed(4), shown];
    });
    const header = isRegression ? ["value", "text"] : ["answer", "share", "text"];
    out.write(`${formatTable({ header, rows })}\n`);
  } else
    out.write(`accuracy ${accuracy.toFixed(4)}, F1 ${f1?.toFixed(4) ?? "-"} over ${texts} texts\n`);
  if (texts > 1) {
    const speed = (texts / seconds).toFixed(1);
    out.write(`${texts} texts in ${formatSeconds(seconds)} s, ${speed} a second\n`);
  }
}

export const classifyCommand: Command = defineCommand({
  name: "classify",
  summary: "classify texts with a dense, pruned or packed model",
  description: [
    "MODEL is a directory with config.json, tokenizer.json or vocab.txt, and weights of BERT or DistilBERT for sequence classification, in any form that inspect reads, packed or not. Every linear layer gets the execution that is fastest on this machine for its zeros: dense, by kept blocks, or without zero rows and columns. Costs are measured first, in half a second to a second.",
  ],
  positionals: ["MODEL"],
  options: OPTIONS,
  run: async ({ values, positionals: [directory = ""], json }, console) => {
    const rows = await readRows(values);
    const { variant = "auto", threads, layers = "auto", batchSize = 32, plan = false } = values;
    const chosen = await chooseVariant(variant, console.engine);
    for (const note of values.verbose === true ? chosen.notes : chosen.failures)
      console.err.write(`${note}\n`);
    const backend = await createNodeBackend({
      variant: chosen.variant,
      ...(threads !== undefined && { threads }),
    });
    try {
      const loaded = await loadSparseClassifier(directory, backend, {
        executions: layers,
        tokenizer: values.tokenizer,
        tokens: (tokenizer, config) => {
          const label = values.file === undefined ? "--text-pair" : "--file";
          const hasPairs = rows.some(({ textPair }) => textPair !== undefined);
          const problems = pairProblems(label, { path: directory, value: { config } }, hasPairs);
          if (problems.length > 0) throw new InputError(problems);
          return firstBatchTokens(
            tokenizer,
            rows,
            batchSize,
            longestInput(config, tokenizer, values),
          );
        },
      });
      const { classifier, notices } = loaded;
      for (const notice of notices) console.err.write(`${notice}\n`);
      if (plan) printPlan(classifier, json, console);
      const maxLength = longestInput(classifier.config, loaded.tokenizer, values);
      const began = performance.now();
      const found = await classifyTexts(loaded, rows, { batchSize, maxLength }, () =>
        turn(console.signal),
      );
      const seconds = (performance.now() - began) / 1000;
      (json ? printJson : printText)(found, seconds, console);
      return 0;
    } finally {
      backend.stop();
    }
  },
});
