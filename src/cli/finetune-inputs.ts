/** Reads the rows and the model of `espalier finetune`, refusing everything that is wrong with them. */

import { join } from "node:path";
import { type Either, isLeft, isRight, left, type Problem, right } from "../core/either.ts";
import { MODEL_CONFIGS } from "../experiment/model-configs.ts";
import type { ModelName } from "../experiment/recipes.ts";
import { type Example, type GlueTask, parseGlueTsv } from "../io/glue.ts";
import { HUGGING_FACE_FILES } from "../io/hugging-face.ts";
import { compareNames } from "../io/parameter-names.ts";
import { type Tokenizer, tokenizerOf } from "../io/tokenizer.ts";
import { decodeUtf8 } from "../io/utf8.ts";
import { parseVocabulary, type Vocabulary } from "../io/vocabulary.ts";
import { type ModelConfig, parseModelConfigOrThrow } from "../model/config.ts";
import {
  type CreateParametersOptions,
  checkpointProblems,
  type NamedValues,
  parameterList,
} from "../model/parameters.ts";
import { type LoadedModel, readModelDirectory } from "../node/model-directory.ts";
import { nodeStorage } from "../node/storage.ts";
import { directoryProblem, readNamedFile } from "../run/storage.ts";

/** A result from problems found, or the value where there are none. */
function resultOf<T>(problems: readonly Problem[], value: () => T): Either<readonly Problem[], T> {
  return problems.length > 0 ? left(problems) : right(value());
}

function oneProblem(path: string, expected: string, got: string): readonly Problem[] {
  return [{ path, expected, got }];
}

/** Where rows come from. */
export interface RowPaths {
  readonly data?: string;
  readonly trainFile?: string;
  readonly validationFile?: string;
}

/** The rows of a task. */
export interface TaskRows {
  readonly training: readonly Example[];
  readonly evaluation: readonly Example[];
}

async function readRows(
  task: GlueTask,
  option: string,
  path: string,
): Promise<Either<readonly Problem[], readonly Example[]>> {
  const bytes = await readNamedFile(nodeStorage, option, path);
  if (isLeft(bytes)) return bytes;
  const text = decodeUtf8(path, bytes.right);
  return isLeft(text) ? text : parseGlueTsv(task, path, text.right);
}

/** The problem of options that say nothing of where training or evaluation rows are. */
export function rowPathProblems({ data, trainFile, validationFile }: RowPaths): readonly Problem[] {
  const complete = data !== undefined || (trainFile !== undefined && validationFile !== undefined);
  const expected = "a directory, or --train-file and --validation-file";
  return complete ? [] : oneProblem("--data", expected, "nothing");
}

/** Reads train.tsv and dev.tsv of a directory, or the files given in their place. */
export async function readTaskRows(
  task: GlueTask,
  paths: RowPaths,
): Promise<Either<readonly Problem[], TaskRows>> {
  const { data, trainFile, validationFile } = paths;
  const unnamed = rowPathProblems(paths);
  if (unnamed.length > 0) return left(unnamed);
  if (data !== undefined) {
    const missing = await directoryProblem(nodeStorage, "--data", data);
    if (missing !== undefined) return left([missing]);
  }
  const inData = (name: string): string => join(data ?? "", name);
  const training = await readRows(
    task,
    trainFile === undefined ? "--data" : "--train-file",
    trainFile ?? inData("train.tsv"),
  );
  const evaluation = await readRows(
    task,
    validationFile === undefined ? "--data" : "--validation-file",
    validationFile ?? inData("dev.tsv"),
  );
  const problems = [training, evaluation].flatMap((rows) => (isLeft(rows) ? rows.left : []));
  return resultOf(problems, () => ({
    training: isRight(training) ? training.right : [],
    evaluation: isRight(evaluation) ? evaluation.right : [],
  }));
}

/** What a run starts from. */
export interface StartingPoint {
  readonly config: ModelConfig;
  /** Null: random initialisation. */
  readonly tensors: ReadonlyMap<string, NamedValues> | null;
  readonly tokenizer: Tokenizer;
  /** Lines for the user: what of a model was not used, and what it had no values for. */
  readonly notices: readonly string[];
}

/** A model directory that fits, with the tensors that are used. */
export interface ReadModel extends LoadedModel, Pick<StartingPoint, "notices"> {
  readonly tensors: ReadonlyMap<string, NamedValues>;
}

async function readVocabulary(path: string): Promise<Either<readonly Problem[], Vocabulary>> {
  const bytes = await readNamedFile(nodeStorage, "--vocab", path);
  if (isLeft(bytes)) return bytes;
  const text = decodeUtf8(path, bytes.right);
  return isLeft(text) ? text : parseVocabulary(path, text.right);
}

/** A vocabulary must have a token for each row of the model's embedding, no more and no fewer. */
function vocabularyProblems(
  path: string,
  { tokens }: Vocabulary,
  model: string,
  { vocabularySize }: ModelConfig,
): readonly Problem[] {
  const expected = `the ${vocabularySize} tokens that ${model} has`;
  return tokens.length === vocabularySize
    ? []
    : oneProblem(path, expected, `${tokens.length} tokens`);
}

/** Where two vocabularies first differ. */
export function differenceProblems(
  path: string,
  given: Vocabulary,
  own: Vocabulary,
): readonly Problem[] {
  const index = own.tokens.findIndex((token, id) => given.tokens[id] !== token);
  if (index < 0) return [];
  const expected = `the model's own token ${JSON.stringify(own.tokens[index])}`;
  return oneProblem(
    `${path}:${index + 1}`,
    expected,
    JSON.stringify(given.tokens[index] ?? "none"),
  );
}

/** The model with the tensors that it has parameters for: a pre-trained encoder comes with other heads. */
function withParametersOnly(directory: string, model: LoadedModel): ReadModel {
  const names = parameterList(model.config).map(({ name }) => name);
  const { missing, unexpected } = compareNames(names, model.tensors);
  const tensors = names.flatMap((name) => {
    const values = model.tensors.get(name);
    return values === undefined ? [] : [[name, values] as const];
  });
  const notices = [
    ...(missing.length === 0 ? [] : [`${directory}: newly initialised: ${missing.join(", ")}`]),
    ...(unexpected.length === 0 ? [] : [`${directory}: not used: ${unexpected.join(", ")}`]),
  ];
  return { ...model, tensors: new Map(tensors), notices };
}

function modelProblems(
  directory: string,
  { config, tensors, tokenizer }: LoadedModel,
  options: CreateParametersOptions,
): readonly Problem[] {
  const vocabulary = join(directory, HUGGING_FACE_FILES.vocabulary);
  const weights = join(directory, HUGGING_FACE_FILES.weights);
  const shapes = checkpointProblems(config, tensors, { ...options, ignoreUnexpected: true });
  const labels = join(directory, HUGGING_FACE_FILES.config);
  return [
    ...vocabularyProblems(vocabulary, tokenizer.vocabulary, directory, config),
    ...shapes.map((problem) => ({ ...problem, path: `${weights}: ${problem.path}` })),
    ...(config.labels === 2 ? [] : oneProblem(labels, "2 labels", String(config.labels))),
  ];
}

/** Reads the model directory of an option. Every tensor must fit; `needsHead`: also the classifier's. */
export async function readModel(
  option: string,
  directory: string,
  needsHead: boolean,
): Promise<Either<readonly Problem[], ReadModel>> {
  const model = await readModelDirectory(directory, option);
  if (isLeft(model)) return model;
  const options = needsHead ? {} : { initialiseHead: { seed: 0 } };
  return resultOf(modelProblems(directory, model.right, options), () =>
    withParametersOnly(directory, model.right),
  );
}

/** The starting point in a model directory; a vocabulary given beside it must be the model's own. */
async function startFromModel(
  directory: string,
  vocab: string | undefined,
  needsHead: boolean,
): Promise<Either<readonly Problem[], StartingPoint>> {
  const model = await readModel("--model", directory, needsHead);
  if (isLeft(model) || vocab === undefined) return model;
  const given = await readVocabulary(vocab);
  if (isLeft(given)) return given;
  const { vocabulary } = model.right.tokenizer;
  const problems = vocabularyProblems(vocab, given.right, directory, model.right.config);
  const differing =
    problems.length > 0 ? problems : differenceProblems(vocab, given.right, vocabulary);
  return resultOf(differing, () => model.right);
}

/** Random weights of a recipe's model. */
async function startFromVocabulary(
  name: ModelName,
  vocab: string,
): Promise<Either<readonly Problem[], StartingPoint>> {
  const vocabulary = await readVocabulary(vocab);
  if (isLeft(vocabulary)) return vocabulary;
  const config = parseModelConfigOrThrow(MODEL_CONFIGS[name]);
  return resultOf(vocabularyProblems(vocab, vocabulary.right, name, config), () => ({
    config,
    tensors: null,
    tokenizer: tokenizerOf(vocabulary.right),
    notices: [],
  }));
}

/** Where a starting point is named. */
export interface StartPaths {
  readonly model?: string;
  readonly vocab?: string;
}

/** The problem of options that say nothing of what to start from. */
export function startPathProblems({ model, vocab }: StartPaths): readonly Problem[] {
  const expected = "a model directory, or --vocab FILE to start from random weights";
  return model === undefined && vocab === undefined
    ? oneProblem("--model", expected, "nothing")
    : [];
}

/**
 * Reads what a run starts from: a model directory, or a vocabulary and random weights of the recipe's model.
 *
 * @param needsHead whether the model's classifier must be there already
 */
export async function readStartingPoint(
  name: ModelName,
  paths: StartPaths,
  needsHead: boolean,
): Promise<Either<readonly Problem[], StartingPoint>> {
  const { model, vocab } = paths;
  if (model !== undefined) return startFromModel(model, vocab, needsHead);
  if (vocab !== undefined) return startFromVocabulary(name, vocab);
  return left(startPathProblems(paths));
}
