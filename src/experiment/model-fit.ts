/** Says how a stored model fits its configuration, in the words of every command. */

import type { Problem } from "../core/either.ts";
import type { Example } from "../io/glue.ts";
import { HUGGING_FACE_FILES } from "../io/hugging-face.ts";
import type { Tokenizer } from "../io/tokenizer.ts";
import type { Vocabulary } from "../io/vocabulary.ts";
import type { ModelConfig } from "../model/config.ts";
import { modelNames } from "../model/names.ts";
import { parameterList } from "../model/parameters.ts";
import { formatShape, type Shape, sameShape } from "../tensor/shape.ts";

/** A value with the path that it was read from, which names it in problems. */
export interface Named<T> {
  readonly path: string;
  readonly value: T;
}

/** A model as its directory describes it. */
interface StoredModel {
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  /** The path of the weights, or of their index. */
  readonly weights: string;
  /** The parameters of the model that are stored. */
  readonly tensors: ReadonlyMap<string, { readonly shape: Shape }>;
  /** Names of stored tensors that the model has no parameters for. */
  readonly unused: readonly string[];
}

/** Problems, and messages for the user about tensors that are newly initialised or not used. */
interface ModelFit {
  readonly problems: readonly Problem[];
  readonly notices: readonly string[];
}

/** The path of a file in a model's directory. */
export function fileOf(directory: string, file: keyof typeof HUGGING_FACE_FILES): string {
  return `${directory.replace(/\/+$/, "")}/${HUGGING_FACE_FILES[file]}`;
}

/** More names than this are counted. */
const MOST_NAMES = 4;

/** The names, or their number and the first of them. */
export function listNames(names: readonly string[]): string {
  if (names.length <= MOST_NAMES) return names.join(", ");
  const first = names.slice(0, MOST_NAMES - 1);
  const more = names.length - first.length;
  return `${names.length} tensors (${first.join(", ")} and ${more} more)`;
}

/** Checks that a vocabulary has no more tokens than the model's embedding has rows; embeddings may be padded. */
export function vocabularyProblems(
  { path, value: { tokens } }: Named<Vocabulary>,
  model: string,
  { vocabularySize }: ModelConfig,
): readonly Problem[] {
  if (tokens.length <= vocabularySize) return [];
  const expected = `at most the ${vocabularySize} tokens of ${model}`;
  return [{ path, expected, got: `${tokens.length}` }];
}

/** Checks the names and shapes of the stored tensors. A checkpoint of another model is one problem. */
function tensorProblems(
  { config, weights, tensors, unused }: StoredModel,
  missing: readonly string[],
  isComplete: boolean,
): readonly Problem[] {
  const parameters = parameterList(config);
  const classifier = `${config.modelType} classifier`;
  const encoder = parameters.filter(({ name }) => name.startsWith(`${config.modelType}.`));
  if (!encoder.some(({ name }) => tensors.has(name))) {
    const expected = `tensors of a ${classifier}, such as ${encoder[0]?.name}`;
    const others = [...unused, ...tensors.keys()];
    return [{ path: weights, expected, got: others.length === 0 ? "none" : listNames(others) }];
  }
  const others = unused.length === 0 ? "" : `; not used: ${listNames(unused)}`;
  const absent = {
    path: weights,
    expected: `all ${parameters.length} tensors of a ${classifier}`,
    got: `${tensors.size}; missing: ${listNames(missing)}${others}`,
  };
  const mismatched = parameters.flatMap(({ name, shape }): readonly Problem[] => {
    const found = tensors.get(name);
    if (found === undefined || sameShape(found.shape, shape)) return [];
    const expected = `a tensor of shape ${formatShape(shape)}`;
    return [{ path: `${weights}: ${name}`, expected, got: formatShape(found.shape) }];
  });
  return isComplete ? mismatched : [absent, ...mismatched];
}

/**
 * Checks that a directory has the parameters of its model and a vocabulary that fits. Unless `needsHead`, a missing
 * classifier is initialised.
 */
export function modelFit({ path, value }: Named<StoredModel>, needsHead: boolean): ModelFit {
  const { config, tokenizer, tensors, unused } = value;
  const { pooler, classifier } = modelNames(config);
  // A pre-trained encoder may lack the classifier and the layer before it.
  const optional = needsHead ? [] : [pooler, classifier];
  const absent = parameterList(config).filter(({ name }) => !tensors.has(name));
  const missing = absent.map(({ name }) => name);
  const isComplete = absent.every(({ module }) => optional.includes(module.name));
  const vocabulary = { path: fileOf(path, "vocabulary"), value: tokenizer.vocabulary };
  const notice = (what: string, names: readonly string[]): readonly string[] =>
    names.length === 0 ? [] : [`${path}: ${what}: ${listNames(names)}`];
  return {
    problems: [
      ...vocabularyProblems(vocabulary, "the model", config),
      ...tensorProblems(value, missing, isComplete),
    ],
    notices: [
      ...notice("newly initialised", isComplete ? missing : []),
      ...notice("not used", unused),
    ],
  };
}

/** Checks that a model has the token types of pairs, if there are pairs. `label` names the option. */
export function pairProblems(
  label: string,
  model: Named<Pick<StoredModel, "config">> | undefined,
  rows: readonly Omit<Example, "label">[],
): readonly Problem[] {
  if (model === undefined || !rows.some(({ textPair }) => textPair !== undefined)) return [];
  const { modelType, tokenTypes } = model.value.config;
  if (modelType !== "bert" || tokenTypes >= 2) return [];
  const expected = "a model of at least 2 token types for pairs of texts";
  const got = `type_vocab_size ${tokenTypes} in ${fileOf(model.path, "config")}`;
  return [{ path: label, expected, got }];
}
