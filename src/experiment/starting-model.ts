/** Checks the models and vocabularies that a fine-tuning starts from, and its teacher. */

import type { Problem } from "../core/either.ts";
import { HUGGING_FACE_FILES } from "../io/hugging-face.ts";
import { compareNames } from "../io/parameter-names.ts";
import { type Tokenizer, tokenizerOf } from "../io/tokenizer.ts";
import type { Vocabulary } from "../io/vocabulary.ts";
import { type ModelConfig, parseModelConfigOrThrow } from "../model/config.ts";
import { checkpointProblems, type NamedValues, parameterList } from "../model/parameters.ts";
import { MODEL_CONFIGS } from "./model-configs.ts";
import type { ModelName } from "./recipes.ts";

/** The contents of a model directory. */
export interface LoadedModel {
  readonly config: ModelConfig;
  /** By transformers' names, widened to 32-bit floats. */
  readonly tensors: ReadonlyMap<string, NamedValues>;
  readonly tokenizer: Tokenizer;
}

/** A value with the path that it was read from, which names it in problems. */
export interface Named<T> {
  readonly path: string;
  readonly value: T;
}

/** The model that training starts from. Without tensors its weights are random. */
interface StartingModel extends Omit<LoadedModel, "tensors"> {
  readonly tensors: LoadedModel["tensors"] | undefined;
}

/** A value with its problems and with messages for the user. */
export interface Checked<T> {
  readonly value: T;
  readonly problems: readonly Problem[];
  readonly notices: readonly string[];
}

function fileOf(directory: string, file: keyof typeof HUGGING_FACE_FILES): string {
  return `${directory.replace(/\/+$/, "")}/${HUGGING_FACE_FILES[file]}`;
}

function unless(holds: boolean, path: string, expected: string, got: unknown): readonly Problem[] {
  return holds ? [] : [{ path, expected, got: String(got) }];
}

/** Checks that a vocabulary has one token for each row of the model's embedding. */
function sizeProblems(
  { path, value: { tokens } }: Named<Vocabulary>,
  model: string,
  { vocabularySize }: ModelConfig,
): readonly Problem[] {
  const expected = `the ${vocabularySize} tokens that ${model} has`;
  return unless(tokens.length === vocabularySize, path, expected, `${tokens.length} tokens`);
}

/** Reports the first token that differs from the model's own vocabulary. */
function differenceProblems(
  { path, value: given }: Named<Vocabulary>,
  own: Vocabulary,
): readonly Problem[] {
  const index = own.tokens.findIndex((token, id) => given.tokens[id] !== token);
  const expected = `the model's own token ${JSON.stringify(own.tokens[index])}`;
  const got = JSON.stringify(given.tokens[index] ?? "none");
  return unless(index < 0, `${path}:${index + 1}`, expected, got);
}

function vocabularyOf({ path, value }: Named<LoadedModel>): Named<Vocabulary> {
  return { path: fileOf(path, "vocabulary"), value: value.tokenizer.vocabulary };
}

/**
 * Checks that a model fits a task of two classes, and drops tensors that it has no parameters for, such as other heads.
 * Unless `needsHead`, a missing classifier is initialised.
 */
function checkModel(model: Named<LoadedModel>, needsHead: boolean): Checked<LoadedModel> {
  const { path, value } = model;
  const { config, tensors } = value;
  const shapes = checkpointProblems(config, tensors, {
    ignoreUnexpected: true,
    ...(needsHead ? {} : { initialiseHead: { seed: 0 } }),
  });
  const names = parameterList(config).map(({ name }) => name);
  const { missing, unexpected } = compareNames(names, tensors);
  const used = names.flatMap((name) => {
    const values = tensors.get(name);
    return values === undefined ? [] : [[name, values] as const];
  });
  return {
    value: { ...value, tensors: new Map(used) },
    problems: [
      ...sizeProblems(vocabularyOf(model), path, config),
      ...shapes.map((each) => ({ ...each, path: `${fileOf(path, "weights")}: ${each.path}` })),
      ...unless(config.labels === 2, fileOf(path, "config"), "2 labels", config.labels),
    ],
    notices: [
      ...(missing.length === 0 ? [] : [`${path}: newly initialised: ${missing.join(", ")}`]),
      ...(unexpected.length === 0 ? [] : [`${path}: not used: ${unexpected.join(", ")}`]),
    ],
  };
}

/** Checks a model to start from. If a vocabulary is given too, it must equal the model's own. */
export function startFromModel(
  model: Named<LoadedModel>,
  vocabulary: Named<Vocabulary> | undefined,
  needsHead: boolean,
): Checked<StartingModel> {
  const checked = checkModel(model, needsHead);
  if (vocabulary === undefined) return checked;
  const { config, tokenizer } = checked.value;
  const sizes = sizeProblems(vocabulary, model.path, config);
  const differing = sizes.length > 0 ? sizes : differenceProblems(vocabulary, tokenizer.vocabulary);
  return { ...checked, problems: [...checked.problems, ...differing] };
}

/** Starts from random weights of a recipe's model. */
export function startFromVocabulary(
  name: ModelName,
  vocabulary: Named<Vocabulary>,
): Checked<StartingModel> {
  const config = parseModelConfigOrThrow(MODEL_CONFIGS[name]);
  const tokenizer = tokenizerOf(vocabulary.value);
  const problems = sizeProblems(vocabulary, name, config);
  return { value: { config, tensors: undefined, tokenizer }, problems, notices: [] };
}

/** Checks a teacher against the student's model and batches. `label` names the option. */
export function checkTeacher(
  label: string,
  teacher: Named<LoadedModel>,
  { config, tokenizer }: StartingModel,
  maxLength: number,
): Checked<LoadedModel> {
  const checked = checkModel(teacher, true);
  const { hiddenSize: hidden, vocabularySize: tokens, maxPositions } = teacher.value.config;
  const { hiddenSize, vocabularySize } = config;
  const positions = `a model of at least ${maxLength} positions`;
  const problems = [
    ...checked.problems,
    ...unless(hidden === hiddenSize, label, `a model of hidden size ${hiddenSize}`, hidden),
    ...unless(tokens === vocabularySize, label, `a vocabulary of ${vocabularySize} tokens`, tokens),
    ...unless(maxPositions >= maxLength, label, positions, maxPositions),
  ];
  if (problems.length > 0) return { ...checked, problems };
  const differing = differenceProblems(vocabularyOf(teacher), tokenizer.vocabulary);
  return { ...checked, problems: differing };
}
