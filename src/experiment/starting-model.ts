/** Checks the models and vocabularies that a fine-tuning starts from or learns from. */

import type { Problem } from "../core/either.ts";
import { HUGGING_FACE_FILES } from "../io/hugging-face.ts";
import { compareNames } from "../io/parameter-names.ts";
import { type Tokenizer, tokenizerOf } from "../io/tokenizer.ts";
import type { Vocabulary } from "../io/vocabulary.ts";
import { type ModelConfig, parseModelConfigOrThrow } from "../model/config.ts";
import { checkpointProblems, type NamedValues, parameterList } from "../model/parameters.ts";
import { MODEL_CONFIGS } from "./model-configs.ts";
import type { ModelName } from "./recipes.ts";

/** A model as a directory holds it. */
export interface LoadedModel {
  readonly config: ModelConfig;
  /** By transformers' names, widened to 32-bit floats. */
  readonly tensors: ReadonlyMap<string, NamedValues>;
  readonly tokenizer: Tokenizer;
}

/** Something read, and where it was: the path names it in problems. */
export interface Named<T> {
  readonly path: string;
  readonly value: T;
}

/** What training starts from. */
export interface StartingModel {
  readonly config: ModelConfig;
  /** Absent: random initialisation. */
  readonly initialTensors?: ReadonlyMap<string, NamedValues>;
  readonly tokenizer: Tokenizer;
}

/** A result with its problems and with lines for the user. */
export interface Checked<T> {
  readonly value: T;
  readonly problems: readonly Problem[];
  readonly notices: readonly string[];
}

function fileOf(directory: string, file: keyof typeof HUGGING_FACE_FILES): string {
  return `${directory}/${HUGGING_FACE_FILES[file]}`;
}

/** The model's embedding has one row for each token of its vocabulary. */
function vocabularyProblems(
  path: string,
  { tokens }: Vocabulary,
  model: string,
  { vocabularySize }: ModelConfig,
): readonly Problem[] {
  const expected = `the ${vocabularySize} tokens that ${model} has`;
  return tokens.length === vocabularySize
    ? []
    : [{ path, expected, got: `${tokens.length} tokens` }];
}

/** The first difference between a vocabulary and the model's own. */
function differenceProblems(path: string, given: Vocabulary, own: Vocabulary): readonly Problem[] {
  const index = own.tokens.findIndex((token, id) => given.tokens[id] !== token);
  if (index < 0) return [];
  const expected = `the model's own token ${JSON.stringify(own.tokens[index])}`;
  const got = JSON.stringify(given.tokens[index] ?? "none");
  return [{ path: `${path}:${index + 1}`, expected, got }];
}

/**
 * Checks that a model fits a task of two classes, and drops the tensors that it has no parameters for: a pre-trained
 * encoder comes with other heads.
 *
 * @param needsHead whether the classifier must be there; otherwise a new one is initialised
 */
export function checkModel(
  { path, value: model }: Named<LoadedModel>,
  needsHead: boolean,
): Checked<LoadedModel> {
  const { config, tensors, tokenizer } = model;
  const shapes = checkpointProblems(config, tensors, {
    ignoreUnexpected: true,
    ...(needsHead ? {} : { initialiseHead: { seed: 0 } }),
  });
  const labels = { path: fileOf(path, "config"), expected: "2 labels", got: String(config.labels) };
  const names = parameterList(config).map(({ name }) => name);
  const { missing, unexpected } = compareNames(names, tensors);
  const used = names.flatMap((name) => {
    const values = tensors.get(name);
    return values === undefined ? [] : [[name, values] as const];
  });
  return {
    value: { ...model, tensors: new Map(used) },
    problems: [
      ...vocabularyProblems(fileOf(path, "vocabulary"), tokenizer.vocabulary, path, config),
      ...shapes.map((each) => ({ ...each, path: `${fileOf(path, "weights")}: ${each.path}` })),
      ...(config.labels === 2 ? [] : [labels]),
    ],
    notices: [
      ...(missing.length === 0 ? [] : [`${path}: newly initialised: ${missing.join(", ")}`]),
      ...(unexpected.length === 0 ? [] : [`${path}: not used: ${unexpected.join(", ")}`]),
    ],
  };
}

/** Checks a model to start from; a vocabulary given beside it must be the model's own. */
export function startFromModel(
  named: Named<LoadedModel>,
  vocabulary: Named<Vocabulary> | undefined,
  needsHead: boolean,
): Checked<StartingModel> {
  const { value: model, problems, notices } = checkModel(named, needsHead);
  const { config, tensors: initialTensors, tokenizer } = model;
  const value = { config, initialTensors, tokenizer };
  if (vocabulary === undefined) return { value, problems, notices };
  const { path, value: given } = vocabulary;
  const sizes = vocabularyProblems(path, given, named.path, config);
  const differing =
    sizes.length > 0 ? sizes : differenceProblems(path, given, tokenizer.vocabulary);
  return { value, problems: [...problems, ...differing], notices };
}

/** Random weights of a recipe's model. */
export function startFromVocabulary(
  name: ModelName,
  { path, value: vocabulary }: Named<Vocabulary>,
): Checked<StartingModel> {
  const config = parseModelConfigOrThrow(MODEL_CONFIGS[name]);
  return {
    value: { config, tokenizer: tokenizerOf(vocabulary) },
    problems: vocabularyProblems(path, vocabulary, name, config),
    notices: [],
  };
}

/**
 * Checks a teacher. It sees the student's batches, and its hidden states are compared with the student's. Problems
 * carry `label`.
 */
export function checkTeacher(
  label: string,
  teacher: Named<LoadedModel>,
  { config, tokenizer }: StartingModel,
  maxLength: number,
): Checked<LoadedModel> {
  const checked = checkModel(teacher, true);
  const { hiddenSize, vocabularySize, maxPositions } = teacher.value.config;
  const wrong = (holds: boolean, expected: string, got: number): readonly Problem[] =>
    holds ? [] : [{ path: label, expected, got: String(got) }];
  const problems = [
    ...checked.problems,
    ...wrong(
      hiddenSize === config.hiddenSize,
      `a model of hidden size ${config.hiddenSize}`,
      hiddenSize,
    ),
    ...wrong(
      vocabularySize === config.vocabularySize,
      `a vocabulary of ${config.vocabularySize} tokens`,
      vocabularySize,
    ),
    ...wrong(maxPositions >= maxLength, `a model of at least ${maxLength} positions`, maxPositions),
  ];
  const differing = differenceProblems(
    fileOf(teacher.path, "vocabulary"),
    teacher.value.tokenizer.vocabulary,
    tokenizer.vocabulary,
  );
  return { ...checked, problems: problems.length > 0 ? problems : differing };
}
