/** Checks the models and vocabularies that a fine-tuning starts from, and its teacher. */

import type { Problem } from "../core/either.ts";
import { type Tokenizer, tokenizerOf } from "../io/tokenizer.ts";
import type { Vocabulary } from "../io/vocabulary.ts";
import { type ModelConfig, parseModelConfigOrThrow } from "../model/config.ts";
import type { NamedValues } from "../model/parameters.ts";
import { MODEL_CONFIGS } from "./model-configs.ts";
import { fileOf, modelFit, type Named, vocabularyProblems } from "./model-fit.ts";
import type { ModelName } from "./recipes.ts";

/** The contents of a model directory. */
export interface LoadedModel {
  readonly config: ModelConfig;
  /** The parameters of the model, by transformers' names, widened to 32-bit floats. Some may be missing. */
  readonly tensors: ReadonlyMap<string, NamedValues>;
  /** Names of stored tensors that the model has no parameters for, such as those of other heads. */
  readonly unused: readonly string[];
  /** The path of the weights, or of the index of their files. */
  readonly weights: string;
  readonly tokenizer: Tokenizer;
}

/** The model that training starts from. Without tensors its weights are random. */
interface StartingModel extends Pick<LoadedModel, "config" | "tokenizer"> {
  readonly tensors: LoadedModel["tensors"] | undefined;
}

/** A value with its problems and with messages for the user. */
export interface Checked<T> {
  readonly value: T;
  readonly problems: readonly Problem[];
  readonly notices: readonly string[];
}

function unless(holds: boolean, path: string, expected: string, got: unknown): readonly Problem[] {
  return holds ? [] : [{ path, expected, got: String(got) }];
}

/** Reports the first token that differs from the model's own vocabulary. */
function differenceProblems(
  { path, value: { tokens } }: Named<Vocabulary>,
  own: Vocabulary,
): readonly Problem[] {
  const longer = tokens.length > own.tokens.length ? tokens : own.tokens;
  const index = longer.findIndex((_, id) => tokens[id] !== own.tokens[id]);
  const quoted = (token: string | undefined): string =>
    token === undefined ? "none" : JSON.stringify(token);
  const expected = `the model's own token ${quoted(own.tokens[index])}`;
  return unless(index < 0, `${path}:${index + 1}`, expected, quoted(tokens[index]));
}

/** Checks that a model fits a task of two classes. Unless `needsHead`, a missing classifier is initialised. */
function checkModel(model: Named<LoadedModel>, needsHead: boolean): Checked<LoadedModel> {
  const { path, value } = model;
  const { problems, notices } = modelFit(model, needsHead);
  const { labels } = value.config;
  return {
    value,
    problems: [...problems, ...unless(labels === 2, fileOf(path, "config"), "2 labels", labels)],
    notices,
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
  const differing = differenceProblems(vocabulary, checked.value.tokenizer.vocabulary);
  return { ...checked, problems: [...checked.problems, ...differing] };
}

/** Starts from random weights of a recipe's model. */
export function startFromVocabulary(
  name: ModelName,
  vocabulary: Named<Vocabulary>,
): Checked<StartingModel> {
  const config = parseModelConfigOrThrow(MODEL_CONFIGS[name]);
  const tokenizer = tokenizerOf(vocabulary.value);
  const problems = vocabularyProblems(vocabulary, name, config);
  return { value: { config, tensors: undefined, tokenizer }, problems, notices: [] };
}

/** Checks a teacher against the student's model and batches. `label` names the option. */
export function checkTeacher(
  label: string,
  teacher: Named<LoadedModel>,
  { config: { hiddenSize }, tokenizer }: StartingModel,
  maxLength: number,
): Checked<LoadedModel> {
  const checked = checkModel(teacher, true);
  const { hiddenSize: hidden, maxPositions } = teacher.value.config;
  const positions = `a model of at least ${maxLength} positions`;
  const problems = [
    ...checked.problems,
    ...unless(hidden === hiddenSize, label, `a model of hidden size ${hiddenSize}`, hidden),
    ...unless(maxPositions >= maxLength, label, positions, maxPositions),
  ];
  if (problems.length > 0) return { ...checked, problems };
  const { vocabulary } = teacher.value.tokenizer;
  const given = { path: fileOf(teacher.path, "vocabulary"), value: vocabulary };
  return { ...checked, problems: differenceProblems(given, tokenizer.vocabulary) };
}
