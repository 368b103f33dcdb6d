/** Functions and options of the commands that compute logits of rows. */
import { counted } from "../core/counted.ts";
import { InputError, type Problem, refuseInput } from "../core/either.ts";
import { pairProblems } from "../experiment/model-fit.ts";
import { TOKENIZER_KINDS, type TokenizerKind } from "../io/hugging-face.ts";
import { describeColumns } from "../io/rows/columns.ts";
import { optionProblems } from "../io/rows/options.ts";
import { countProblems, rowProblems, toProblem } from "../io/rows/problems.ts";
import type { TextRow } from "../io/rows/row-reader.ts";
import type { KernelVariant } from "../kernels/table.ts";
import { chooseVariant } from "../node/engine.ts";
import { findModelOrThrow } from "../node/model-name.ts";
import { nodeStorage, storageOf } from "../node/storage.ts";
import { createNodeBackend } from "../node/threaded-backend.ts";
import { turn } from "../node/turn.ts";
import { longestInput } from "../run/encoded-logits.ts";
import { firstBatchTokens, type InferenceSettings } from "../run/inference.ts";
import { outputMeaning } from "../run/model-labels.ts";
import type { OutputMeaning } from "../run/prediction.ts";
import type { InferenceRows } from "../run/row-passes.ts";
import {
  type LoadedClassifier,
  type OpenClassifier,
  openClassifier,
} from "../run/sparse-classifier.ts";
import { kindProblem } from "../run/storage.ts";
import type { Console } from "./console.ts";
import {
  choiceOption,
  flagOption,
  integerOption,
  numberOption,
  type Option,
  type OptionValues,
} from "./options.ts";
import { createProgress } from "./progress.ts";
import type { ROW_OPTIONS } from "./row-options.ts";

export const INFERENCE_OPTIONS: {
  readonly threshold: Option<number>;
  readonly batchSize: Option<number>;
  readonly maxLength: Option<number>;
  readonly tokenizer: Option<TokenizerKind>;
  readonly layers: Option<"auto" | "dense">;
  readonly threads: Option<number>;
  readonly variant: Option<KernelVariant | "auto">;
  readonly verbose: Option<boolean>;
} = {
  threshold: numberOption(
    { least: 0, most: 1 },
    "for several labels a row: labels with a larger probability are predicted (default 0.5)",
  ),
  batchSize: integerOption({ least: 1, most: 4096 }, "rows at once (default 32)"),
  maxLength: integerOption(
    { least: 3 },
    "longest input in tokens (default: as in training, or the model's)",
    ["max-seq-length"],
  ),
  tokenizer: choiceOption(
    TOKENIZER_KINDS,
    "the model's tokenizer, named as in transformers (default fast if it has a tokenizer.json)",
  ),
  layers: choiceOption(
    ["auto", "dense"],
    "how linear layers are computed: with the fastest execution for their zeros (default), or dense",
  ),
  threads: integerOption({ least: 1, most: 256 }, "threads (default: one for each core)"),
  variant: choiceOption(
    ["auto", "revectorized", "fma", "simd", "scalar"],
    "kernels to run (default auto: the fastest that passes its self-test here)",
  ),
  verbose: flagOption("print how kernels were chosen"),
};

export type InferenceValues = OptionValues<typeof INFERENCE_OPTIONS>;

/** A model whose weights are not loaded yet, with what its options say about it. */
export interface OpenModel {
  readonly open: OpenClassifier;
  readonly meaning: OutputMeaning;
}

/** The rows from which the size of a batch is estimated, and whether any row is a pair. */
interface RowSample {
  readonly sample: readonly TextRow[];
  readonly hasPairs: boolean;
}

/** A loaded model, with rows and settings for them. */
export interface Inference<Rows> {
  readonly model: Pick<LoadedClassifier, "classifier" | "tokenizer">;
  readonly meaning: OutputMeaning;
  readonly rows: Rows;
  readonly settings: InferenceSettings;
}

/**
 * Opens a model, reads rows for it, loads its weights and uses them. Rows with problems are refused before the weights
 * are loaded.
 *
 * @param label the option that names the rows
 */
export async function withInference<Rows extends RowSample, T>(
  directory: string,
  label: string,
  values: InferenceValues,
  console: Console,
  read: (model: OpenModel) => Promise<Rows>,
  use: (inference: Inference<Rows>) => Promise<T>,
): Promise<T> {
  const { threshold, threads, layers = "auto", batchSize = 32 } = values;
  const storage = storageOf(await findModelOrThrow("MODEL", directory));
  const open = await openClassifier(storage, directory, values.tokenizer);
  try {
    const { config, tokenizer } = open;
    const meaning = outputMeaning(config);
    if (threshold !== undefined && meaning.problemType !== "multi_label_classification")
      refuseInput("--threshold", "a model of several labels a row", meaning.problemType);
    const maxLength = longestInput(open, values.maxLength);
    const rows = await read({ open, meaning });
    const named = { path: directory, value: { config } };
    const problems = pairProblems(label, named, rows.hasPairs);
    if (problems.length > 0) throw new InputError(problems);
    const chosen = await chooseVariant(values.variant ?? "auto", console.engine);
    for (const note of values.verbose === true ? chosen.notes : chosen.failures)
      console.err.write(`${note}\n`);
    for (const notice of open.notices) console.err.write(`${notice}\n`);
    const backend = await createNodeBackend({
      variant: chosen.variant,
      ...(threads !== undefined && { threads }),
    });
    try {
      const sizes = { batchSize, maxLength };
      const tokens = firstBatchTokens(tokenizer, rows.sample, sizes);
      const classifier = open.create(backend, { executions: layers, tokens });
      const settings = { ...sizes, turn: () => turn(console.signal) };
      return await use({ model: { classifier, tokenizer }, meaning, rows, settings });
    } finally {
      backend.stop();
    }
  } finally {
    open.close();
  }
}

/** Returns the problems of options and of the file's path, before anything is read. */
export async function rowFileProblems(
  label: string,
  path: string,
  values: OptionValues<typeof ROW_OPTIONS>,
): Promise<readonly Problem[]> {
  const missing = await kindProblem(nodeStorage, "file", label, path);
  return [...(missing === undefined ? [] : [missing]), ...optionProblems(values).map(toProblem)];
}

/** Milliseconds after which progress is shown: on a terminal, and elsewhere. */
const SHOWN_AFTER = { terminal: 500, other: 10_000 };

/** Counts rows and shows progress with rate and remaining time, unless the work is short. */
export function createRowProgress(
  { err }: Console,
  label: string,
  total: number,
): { readonly add: (rows: number) => void; readonly finish: () => void } {
  const quiet = err.isTerminal ? SHOWN_AFTER.terminal : SHOWN_AFTER.other;
  const progress = createProgress(err, undefined, "rows", quiet);
  let done = 0;
  return {
    add: (rows) => {
      done += rows;
      progress.update(label, done, total, null);
    },
    finish: progress.finish,
  };
}

/** Says which columns of a file are read, and which rows were skipped. */
export function describeRows(
  { err }: Console,
  { path, columns, skipped }: Pick<InferenceRows, "path" | "columns" | "skipped">,
): void {
  if (columns !== null) err.write(`${describeColumns(columns)}\n`);
  const count = countProblems(skipped);
  if (count === 0) return;
  err.write(`${path}: skipped ${counted(count, "row")}\n`);
  for (const { path: place, expected, got } of rowProblems(skipped))
    err.write(`  ${place}: expected ${expected}, got ${got}\n`);
}
