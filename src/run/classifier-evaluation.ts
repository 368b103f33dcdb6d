/** Evaluates a loaded classifier on rows with labels. */
import { pipe } from "fp-ts/function";
import { checkSignal, type StopSignal } from "../core/abort.ts";
import { checkObject } from "../core/checks.ts";
import { getOrThrow, InputError, map, type Problem } from "../core/either.ts";
import { pairProblems } from "../experiment/model-fit.ts";
import type { GlueTask } from "../io/glue-tasks.ts";
import { optionProblems, type RowOptions } from "../io/rows/options.ts";
import { toProblem } from "../io/rows/problems.ts";
import { type ClassifierParts, partsOf } from "./classifier.ts";
import type { Classifier } from "./created-classifier.ts";
import { readEvaluationRows } from "./evaluation-rows.ts";
import { type ClassifierRows, checkRows, isRowList, rowsIn } from "./given-files.ts";
import { createMemoryStorage } from "./memory-storage.ts";
import { type EvaluationDocument, evaluateModel, evaluationDocument } from "./model-evaluation.ts";
import { rowOptionsFor } from "./model-labels.ts";
import { rowOptionProblems } from "./request-checks.ts";
import { namingOptions } from "./request-problems.ts";
import type { RunStorage } from "./storage.ts";
import { readTaskRows } from "./task-rows.ts";

/** Options for {@link evaluateClassifier}, named as those of the command `evaluate`. A list of rows takes `signal` alone. */
export interface EvaluateClassifierOptions extends Omit<RowOptions, "problemType"> {
  /** The rows are a file of this GLUE task, such as its `dev.tsv`. */
  readonly task?: GlueTask | undefined;
  /** Stops the evaluation, which is then rejected with the signal's reason. */
  readonly signal?: StopSignal | undefined;
}

/**
 * Computes the metrics that the command `evaluate` prints: of the kind of problem, of each label, and the confusion
 * matrix.
 *
 * @throws TypeError or RangeError for an invalid argument, InputError with all problems of the rows, the signal's
 *   reason after an abort
 */
export async function evaluateClassifier(
  classifier: Classifier,
  rows: ClassifierRows,
  options: EvaluateClassifierOptions = {},
): Promise<EvaluationDocument> {
  const parts = partsOf("classifier", classifier);
  checkRows("rows", rows);
  checkEvaluation(options, isRowList(rows));
  const [path, bytes] = await rowsIn("rows", rows);
  const storage = createMemoryStorage(new Map([[path, bytes]]));
  return evaluateStoredRows(parts, storage, path, isRowList(rows), options);
}

/** Checks the options of {@link evaluateClassifier}. @throws InputError with all problems */
export function checkEvaluation(options: EvaluateClassifierOptions, isList: boolean): void {
  checkObject("options", options);
  const { signal, ...others } = options;
  if (signal !== undefined) checkSignal("signal", signal);
  const given = Object.entries(others).flatMap(([key, value]) => (value === undefined ? [] : key));
  const listed = given.map((key): Problem => {
    return { path: `\`${key}\``, expected: "a file as `rows`", got: "a list" };
  });
  const beside = others.task === undefined ? [] : taskConflicts(given);
  const problems = [...rowOptionProblems(others), ...(isList ? listed : beside)];
  if (problems.length === 0) problems.push(...optionProblems(others).map(toProblem));
  if (problems.length > 0) throw new InputError(problems);
}

/** Returns the problems of options that a file of a task does not have. */
function taskConflicts(options: readonly string[]): readonly Problem[] {
  const others = options.filter((key) => key !== "task");
  return others.map((key) => {
    return { path: `\`${key}\``, expected: "no `task` beside it", got: "both" };
  });
}

/** Evaluates a classifier on a row file of a storage. */
export async function evaluateStoredRows(
  { model, config, meaning, threshold, settings }: ClassifierParts,
  storage: RunStorage,
  path: string,
  isList: boolean,
  { signal, task, ...given }: EvaluateClassifierOptions,
): Promise<EvaluationDocument> {
  const inference = settings(signal);
  await inference.turn();
  // The columns of the model's training file are not those of a list.
  const options = isList ? {} : rowOptionsFor(config, given);
  return namingOptions(async () => {
    const rows = getOrThrow(
      task === undefined
        ? await readEvaluationRows(storage, { name: path, options }, meaning, inference.turn)
        : pipe(
            await readTaskRows(storage, task, "`rows`", path, meaning),
            map(([file]) => file),
          ),
    );
    const problems = pairProblems("`rows`", { path: "model", value: { config } }, rows.hasPairs);
    if (problems.length > 0) throw new InputError(problems);
    const metrics = await evaluateModel(model, meaning, rows, { ...inference, threshold });
    return evaluationDocument(meaning, rows, metrics);
  });
}
