/** Checks the model or vocabulary that a fine-tuning run starts from, and its teacher. */

import type { Problem } from "../core/either.ts";
import { type Tokenizer, tokenizerOf } from "../io/tokenizer.ts";
import type { Vocabulary, WordPieceVocabulary } from "../io/vocabulary.ts";
import { type ModelConfig, parseModelConfigOrThrow } from "../model/config.ts";
import { modelNames } from "../model/names.ts";
import type { NamedValues } from "../model/parameters.ts";
import { MODEL_CONFIGS } from "./model-configs.ts";
import { fileOf, modelFit, type Named, vocabularyProblems } from "./model-fit.ts";
import type { ModelName } from "./recipes.ts";
import { hasHeadFor, labelNames, type TaskLabels, withLabels } from "./task-labels.ts";

/** The contents of a model directory, whose tensors have shapes but not necessarily values. */
export interface ModelOf<Tensor> {
  readonly config: ModelConfig;
  /** The stored parameters by their names in transformers. Some may be missing. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** The names of stored tensors that are not parameters of the model, such as those of other heads. */
  readonly unused: readonly string[];
  /** The path of the weights file, or of the index if there are several files. */
  readonly weights: string;
  readonly tokenizer: Tokenizer;
}

/** The contents of a model directory, with all values converted to float32. */
export interface LoadedModel extends ModelOf<NamedValues> {}

/** The shape of a tensor. All checks need no more, so that a model is refused before its values are read. */
export type Shaped = Pick<NamedValues, "shape">;

/** The model that training starts from. If `tensors` is undefined, its initial weights are random. */
export interface StartingModel<Tensor> extends Pick<ModelOf<Tensor>, "config" | "tokenizer"> {
  readonly tensors: ModelOf<Tensor>["tensors"] | undefined;
}

/** A value, the problems that were found in it, and messages about it for the user. */
export interface Checked<T> {
  readonly value: T;
  readonly problems: readonly Problem[];
  readonly notices: readonly string[];
}

function unless(holds: boolean, path: string, expected: string, got: unknown): readonly Problem[] {
  return holds ? [] : [{ path, expected, got: String(got) }];
}

/** Returns a problem for the first token that differs from the model's own vocabulary. */
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

/**
 * Checks a model to start from, and gives it the labels of the task. A head for other labels is left out, so that it is
 * newly initialised, unless `needsHead` is set. If a vocabulary is also given, it must equal the model's own vocabulary.
 */
export function startFromModel<Tensor extends Shaped>(
  model: Named<ModelOf<Tensor>>,
  vocabulary: Named<Vocabulary> | undefined,
  labels: TaskLabels,
  needsHead: boolean,
): Checked<StartingModel<Tensor>> {
  const checked = withHeadFor(labels, model, needsHead);
  if (vocabulary === undefined) return checked;
  const differing = differenceProblems(vocabulary, checked.value.tokenizer.vocabulary);
  return { ...checked, problems: [...checked.problems, ...differing] };
}

function withHeadFor<Tensor extends Shaped>(
  labels: TaskLabels,
  { path, value }: Named<ModelOf<Tensor>>,
  needsHead: boolean,
): Checked<ModelOf<Tensor>> {
  const config = withLabels(value.config, labels);
  const { classifier } = modelNames(config).head;
  const isFit = hasHeadFor(value.config, labels);
  const kept = [...value.tensors].filter(([name]) => isFit || !name.startsWith(`${classifier}.`));
  const model = { ...value, config, tensors: new Map(kept) };
  const { problems, notices } = modelFit({ path, value: model }, needsHead);
  const expected = `a head for the labels ${listLabels(labels)}`;
  const got = listLabels({ names: labelNames(value.config) ?? null }, value.config.labels);
  const wrongHead = unless(isFit || !needsHead, fileOf(path, "config"), expected, got);
  const isLeftOut = kept.length < value.tensors.size;
  const notice = `${path}: the head for ${got} is not used`;
  return {
    value: model,
    problems: wrongHead.length > 0 ? wrongHead : problems,
    notices: isLeftOut ? [notice, ...notices] : notices,
  };
}

/** Lists the names of labels in a message, or gives their number. */
function listLabels({ names }: Pick<TaskLabels, "names">, count: number = 1): string {
  if (names !== null && names.length <= MOST_NAMES) return names.join(", ");
  const labels = names?.length ?? count;
  return labels === 1 ? "regression" : `${labels} labels`;
}

const MOST_NAMES = 4;

/** Returns a recipe's model, to be initialised with random weights, and checks that the vocabulary fits it. */
export function startFromVocabulary(
  name: ModelName,
  vocabulary: Named<WordPieceVocabulary>,
  labels: TaskLabels,
): Checked<StartingModel<never>> {
  const config = withLabels(parseModelConfigOrThrow(MODEL_CONFIGS[name]), labels);
  const tokenizer = tokenizerOf(vocabulary.value);
  const problems = vocabularyProblems(vocabulary, name, config);
  return { value: { config, tensors: undefined, tokenizer }, problems, notices: [] };
}

/** Checks that a teacher fits the student, and inputs of up to `maxLength` tokens. `label` names the option. */
export function checkTeacher<Tensor extends Shaped>(
  label: string,
  teacher: Named<ModelOf<Tensor>>,
  { config: { hiddenSize, labels }, tokenizer }: StartingModel<Tensor>,
  maxLength: number,
): Checked<ModelOf<Tensor>> {
  const checked = { value: teacher.value, ...modelFit(teacher, true) };
  const { hiddenSize: hidden, maxPositions, labels: own } = teacher.value.config;
  const positions = `a model of at least ${maxLength} positions`;
  const problems = [
    ...checked.problems,
    ...unless(own === labels, fileOf(teacher.path, "config"), `${labels} labels`, own),
    ...unless(hidden === hiddenSize, label, `a model of hidden size ${hiddenSize}`, hidden),
    ...unless(maxPositions >= maxLength, label, positions, maxPositions),
  ];
  if (problems.length > 0) return { ...checked, problems };
  const { vocabulary } = teacher.value.tokenizer;
  const given = { path: fileOf(teacher.path, "vocabulary"), value: vocabulary };
  return { ...checked, problems: differenceProblems(given, tokenizer.vocabulary) };
}
