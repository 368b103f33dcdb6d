/** The functions of `espalier/classifier` for paths of files and directories, with kernels on worker threads. */
import { availableParallelism } from "node:os";
import { checkString } from "../core/checks.ts";
import { InputError } from "../core/either.ts";
import { MOST_THREADS } from "../kernels/backend.ts";
import {
  type ClassifierOptions,
  checkClassifierOptions,
  loadStoredClassifier,
  partsOf,
} from "../run/classifier.ts";
import {
  checkEvaluation,
  type EvaluateClassifierOptions,
  evaluateClassifier as evaluateGivenRows,
  evaluateStoredRows,
} from "../run/classifier-evaluation.ts";
import {
  checkTraining,
  type FineTuningRun,
  type TrainingOptions,
  trainingRun,
} from "../run/classifier-training.ts";
import type { Classifier } from "../run/created-classifier.ts";
import {
  type ClassifierFile,
  type ClassifierRows,
  checkFiles,
  checkRows,
} from "../run/given-files.ts";
import { createMemoryStorage } from "../run/memory-storage.ts";
import type { EvaluationDocument } from "../run/model-evaluation.ts";
import { kindProblem } from "../run/storage.ts";
import { type GivenInputs, placed } from "../run/training-inputs.ts";
import { nodePlatform } from "./fine-tune.ts";
import { findModelOrThrow, findModelsOrThrow } from "./model-name.ts";
import { nodeStorage, storageOf, storageReadingTwice } from "./storage.ts";
import { createNodeBackend } from "./threaded-backend.ts";

/**
 * Options for {@link fineTuneClassifier}: a model or rows are a path, or given in memory. A model may also be a name in
 * the Hugging Face cache.
 */
export interface FineTunePathsOptions
  extends GivenInputs<string | readonly ClassifierFile[], string | ClassifierRows>,
    Omit<TrainingOptions, "startThread"> {}

function cores(): number {
  return Math.min(availableParallelism(), MOST_THREADS);
}

/**
 * Loads a classifier from a Hugging Face directory, like `loadClassifier` of `espalier/classifier`.
 *
 * @param model the path of the directory, or the name of a model in the local Hugging Face cache, such as `org/name`.
 *   Nothing is downloaded
 * @param options `threads` is the number of cores by default
 * @throws TypeError or RangeError for an invalid argument, InputError with all problems of the directory
 *
 * @example
 * ```ts
 * import { loadClassifier } from "espalier/node";
 *
 * const refused = await loadClassifier("no/such/directory").catch(String);
 * if (!String(refused).includes("does not exist")) throw new Error("expected to be told why");
 * ```
 */
export async function loadClassifier(
  model: string,
  options: Omit<ClassifierOptions, "startThread"> = {},
): Promise<Classifier> {
  checkString("model", model);
  checkClassifierOptions(options, true);
  const { threads = cores() } = options;
  const storage = storageOf(await findModelOrThrow("model", model));
  return loadStoredClassifier(storage, model, { ...options, threads }, createNodeBackend);
}

/**
 * Computes the metrics of a classifier on rows with labels, like `evaluateClassifier` of `espalier/classifier`.
 *
 * @param rows the path of a row file, which may be compressed, or rows in memory
 * @throws TypeError or RangeError for an invalid argument, InputError with all problems of the rows, the signal's
 *   reason after an abort
 */
export async function evaluateClassifier(
  classifier: Classifier,
  rows: string | ClassifierRows,
  options: EvaluateClassifierOptions = {},
): Promise<EvaluationDocument> {
  if (typeof rows !== "string") return evaluateGivenRows(classifier, rows, options);
  const parts = partsOf("classifier", classifier);
  checkEvaluation(options, false);
  const missing = await kindProblem(nodeStorage, "file", "`rows`", rows);
  if (missing !== undefined) throw new InputError([missing]);
  return evaluateStoredRows(parts, await storageReadingTwice(rows), rows, false, options);
}

/**
 * Fine-tunes and prunes a classifier, like `fineTuneClassifier` of `espalier/classifier`.
 *
 * @param options `threads` is the number of cores by default
 * @throws TypeError or RangeError for an invalid argument. The first iteration throws an InputError with all problems
 */
export function fineTuneClassifier(options: FineTunePathsOptions): FineTuningRun {
  const orPath =
    (check: (name: string, value: unknown) => void) =>
    (name: string, value: unknown): void => {
      if (typeof value !== "string") check(name, value);
    };
  checkTraining(options, { rows: orPath(checkRows), files: orPath(checkFiles) }, true);
  const { threads = cores() } = options;
  return trainingRun(nodePlatform, { ...options, threads }, async () => {
    const { model, teacher } = options;
    const named = await findModelsOrThrow({ "`model`": model, "`teacher`": teacher });
    const inputs = createMemoryStorage(new Map(), storageOf(...named));
    return [inputs, await placed(inputs, options)];
  });
}
