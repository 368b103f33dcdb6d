/** Prepares a fine-tuning run: reads the files and models that a request names, and plans the run. */

import { pipe } from "fp-ts/function";
import type { CheckpointEntry } from "../checkpoint/checkpoint.ts";
import { parsePruningConfigFile } from "../checkpoint/pruning-config-file.ts";
import {
  allOf,
  chain,
  type Either,
  isLeft,
  left,
  map,
  type Problem,
  right,
  unlessProblems,
} from "../core/either.ts";
import {
  type FinetuningInputs,
  type PlannedFinetuning,
  planFinetuning,
  type TaskRows,
} from "../experiment/finetuning.ts";
import type { FinetuningRequest } from "../experiment/finetuning-request.ts";
import { NOMINAL_FACTS } from "../experiment/generic-recipe.ts";
import { MODEL_CONFIGS } from "../experiment/model-configs.ts";
import { encoderProblems, type Named } from "../experiment/model-fit.ts";
import type { RunDescription } from "../experiment/plan.ts";
import {
  type ChosenRecipe,
  chooseRecipes,
  missingSources,
  recipeFor,
} from "../experiment/recipe-choice.ts";
import { type GlueTask, parseGlueTsv } from "../io/glue.ts";
import { GLUE_TASKS, type GlueFormat } from "../io/glue-tasks.ts";
import { parseJsonFile } from "../io/json-file.ts";
import { decodeUtf8 } from "../io/text.ts";
import { tokenizerOf } from "../io/tokenizer.ts";
import { parseVocabulary } from "../io/vocabulary.ts";
import { parseModelConfigOrThrow } from "../model/config.ts";
import { metricsOf } from "../train/metrics/named-metrics.ts";
import type { EvaluationTexts } from "./final-models.ts";
import { openModelDirectory, readTensors } from "./model-directory.ts";
import type { RowTokenizer } from "./row-file.ts";
import { joinPath, kindProblem, type RunStorage, readNamedFile } from "./storage.ts";
import type { OpenModel } from "./stored-model.ts";
import {
  describeRows,
  type RowFilesRequest,
  readTrainingRows,
  rowFileProblems,
  validationTexts,
} from "./training-rows.ts";

/** Reads and parses the text file at `path`, which the option `label` names. */
async function readNamedText<T>(
  storage: RunStorage,
  label: string,
  path: string,
  parse: (path: string, text: string) => Either<readonly Problem[], T>,
): Promise<Either<readonly Problem[], T>> {
  return pipe(
    await readNamedFile(storage, label, path),
    chain((bytes) => decodeUtf8(path, bytes)),
    chain((text) => parse(path, text)),
  );
}

/** Reads the value at `path` and returns it with the path; undefined if no path is given. */
async function readOptional<T>(
  path: string | undefined,
  read: (path: string) => Promise<Either<readonly Problem[], T>>,
): Promise<Either<readonly Problem[], Named<T> | undefined>> {
  if (path === undefined) return right(undefined);
  return pipe(
    await read(path),
    map((value) => ({ path, value })),
  );
}

/** The models of a request, whose weights are open but not read, and its small files. */
interface OpenInputs extends FinetuningInputs<CheckpointEntry> {
  readonly model: Named<OpenModel> | undefined;
  readonly teacher: Named<OpenModel> | undefined;
}

/**
 * Opens the models of a request, and reads the vocabulary and the pruning configuration, or returns all problems in them.
 * Models that do not fit their config.json are refused before rows are read.
 *
 * @param opened receives every open model
 */
async function openInputs(
  storage: RunStorage,
  request: FinetuningRequest,
  opened: (model: OpenModel) => void,
): Promise<Either<readonly Problem[], OpenInputs>> {
  const openModel = (label: string) => async (path: string) =>
    pipe(
      await openModelDirectory(storage, path, label, request.tokenizer),
      chain((value) => {
        opened(value);
        return unlessProblems(encoderProblems({ path, value }), value);
      }),
    );
  return allOf({
    model: await readOptional(request.model, openModel("`model`")),
    vocabulary: await readOptional(request.vocab, (path) =>
      readNamedText(storage, "`vocab`", path, parseVocabulary),
    ),
    teacher: await readOptional(
      request.teacherModelNameOrPath,
      openModel("`teacherModelNameOrPath`"),
    ),
    pruningConfig: await readOptional(request.pruningConfig, async (path) =>
      pipe(
        await readNamedFile(storage, "`pruningConfig`", path),
        chain((bytes) => parsePruningConfigFile(path, bytes)),
      ),
    ),
    classWeights:
      request.classWeights === "balanced"
        ? right("balanced" as const)
        : await readOptional(request.classWeights, (path) =>
            readNamedText(storage, "`classWeights`", path, parseJsonFile),
          ),
  });
}

/** The rows of a request, and messages about them for the user. */
interface RequestedRows {
  readonly rows: TaskRows;
  readonly notices: readonly string[];
  /** Returns the texts of evaluation rows; absent if the rows are texts. */
  readonly evaluationTexts?: EvaluationTexts;
}

/** A planned run with the values of its models. */
export interface PreparedFinetuning {
  readonly description: RunDescription;
  readonly notices: readonly string[];
  /** Returns the texts of evaluation rows; absent if the plan has them. */
  readonly evaluationTexts?: EvaluationTexts;
}

/** Reads the files of a GLUE task. */
async function readTaskRows(
  storage: RunStorage,
  task: GlueTask,
  { data, trainFile, validationFile, testFile }: FinetuningRequest,
): Promise<Either<readonly Problem[], RequestedRows>> {
  const missing = data && (await kindProblem(storage, "directory", "`data`", data));
  if (missing) return left([missing]);
  const { evaluations, names, metrics, textPair }: GlueFormat = GLUE_TASKS[task];
  const read = (label: string, file: string | undefined, name: string) =>
    readNamedText(
      storage,
      file === undefined ? "`data`" : label,
      file ?? joinPath(data ?? "", `${name}.tsv`),
      (path, text) => parseGlueTsv(task, path, text),
    );
  const problemType = names === null ? "regression" : "single_label_classification";
  // A file that stands for the first evaluation file has no counterpart of the others.
  const others = validationFile === undefined ? evaluations.slice(1) : [];
  const finals = {
    ...Object.fromEntries(
      await Promise.all(
        others.map(async (name) => [name, await read("", undefined, name)] as const),
      ),
    ),
    ...(testFile === undefined ? {} : { test: await read("`testFile`", testFile, "test") }),
  };
  return pipe(
    allOf({
      trainingRows: await read("`trainFile`", trainFile, "train"),
      evaluationRows: await read("`validationFile`", validationFile, evaluations[0]),
      finalRows: allOf(finals),
    }),
    map((rows) => ({
      rows: {
        ...rows,
        finalRows: Object.keys(finals).length === 0 ? undefined : rows.finalRows,
        labels: { problemType, names, yieldsToModel: true, rows: null },
        metrics,
        hasPairs: textPair !== undefined,
      },
      notices: [],
    })),
  );
}

/** Reads row files, and tokenizes their rows for the model. */
async function readOwnRows(
  storage: RunStorage,
  request: RowFilesRequest,
  tokenizer: RowTokenizer,
): Promise<Either<readonly Problem[], RequestedRows>> {
  return pipe(
    await readTrainingRows(storage, request, tokenizer),
    map((read) => {
      const { meaning, columns, training, validation, test } = read;
      const labelSeparator = request.labelSeparator ?? null;
      return {
        rows: {
          trainingRows: training.rows,
          evaluationRows: validation.rows,
          finalRows: test && { test: test.rows },
          labels: { ...meaning, yieldsToModel: false, rows: { ...columns, labelSeparator } },
          metrics: metricsOf(meaning.problemType, meaning.names?.length ?? 1),
          hasPairs: columns.textPair !== null,
        },
        notices: describeRows(request, read),
        evaluationTexts: validationTexts(storage, request, read),
      };
    }),
  );
}

/** Returns the tokenizer of a request's model, and the largest number of tokens of a row. */
function rowTokenizer(
  [first]: readonly ChosenRecipe[],
  { model, vocabulary }: OpenInputs,
): RowTokenizer | undefined {
  if (first === undefined) return undefined;
  const config = model?.value.config ?? parseModelConfigOrThrow(MODEL_CONFIGS[first.base.model]);
  const tokenizer = model?.value.tokenizer ?? (vocabulary && tokenizerOf(vocabulary.value));
  const { maxLength } = recipeFor(first, { ...NOMINAL_FACTS, maxPositions: config.maxPositions });
  return tokenizer && { tokenizer, maxLength };
}

/**
 * Reads a request's inputs and plans the run. The values of the models are read last, when nothing is left to refuse.
 * Problems name an option by its key in the request, in backticks.
 */
export async function prepareFinetuning(
  storage: RunStorage,
  request: FinetuningRequest,
): Promise<Either<readonly Problem[], PreparedFinetuning>> {
  const opened: OpenModel[] = [];
  try {
    return await prepareOpen(storage, request, (model) => opened.push(model));
  } finally {
    for (const model of opened) model.close();
  }
}

async function prepareOpen(
  storage: RunStorage,
  request: FinetuningRequest,
  opened: (model: OpenModel) => void,
): Promise<Either<readonly Problem[], PreparedFinetuning>> {
  const chosen = chooseRecipes(request);
  if (isLeft(chosen)) return chosen;
  const { task, trainFile } = request;
  const files = task === undefined && trainFile !== undefined ? rowFiles(request, trainFile) : null;
  const missing = files === null ? [] : await rowFileProblems(storage, files);
  const taskRows = task === undefined ? undefined : await readTaskRows(storage, task, request);
  const inputs = await openInputs(storage, request, opened);
  const found = [
    ...missing,
    ...(taskRows !== undefined && isLeft(taskRows) ? taskRows.left : []),
    ...(isLeft(inputs) ? inputs.left : []),
  ];
  if (found.length > 0 || isLeft(inputs)) return left(found);
  const tokenizer = rowTokenizer(chosen.right, inputs.right);
  const rows =
    files !== null && tokenizer !== undefined
      ? await readOwnRows(storage, files, tokenizer)
      : taskRows;
  if (rows === undefined) return left(missingSources(request));
  if (isLeft(rows)) return rows;
  const { evaluationTexts, notices } = rows.right;
  return pipe(
    planFinetuning(chosen.right, request, inputs.right, rows.right.rows),
    chain((plan) =>
      pipe(
        withValues(plan, inputs.right),
        map((description) => ({
          description,
          notices: [...notices, ...plan.notices],
          ...(evaluationTexts && { evaluationTexts }),
        })),
      ),
    ),
  );
}

/** Reads the values of the models of a plan. */
function withValues(
  { description, initialTensors, teacher }: PlannedFinetuning<CheckpointEntry>,
  inputs: OpenInputs,
): Either<readonly Problem[], RunDescription> {
  const read = (model: Named<OpenModel> | undefined, tensors: OpenModel["tensors"] | undefined) =>
    model === undefined || tensors === undefined
      ? right(undefined)
      : readTensors(model.value, tensors);
  return pipe(
    allOf({
      initialTensors: read(inputs.model, initialTensors),
      tensors: read(inputs.teacher, teacher?.tensors),
    }),
    map(({ initialTensors, tensors }) => ({
      ...description,
      initialTensors,
      teacher: teacher && tensors && { config: teacher.config, tensors },
    })),
  );
}

function rowFiles(request: FinetuningRequest, trainFile: string): RowFilesRequest {
  return { ...request, trainFile, splitSeed: request.splitSeed ?? DEFAULT_SPLIT_SEED };
}

const DEFAULT_SPLIT_SEED = 42;
