/** Checks that a stored model fits its configuration. All commands report its problems in the same words. */

import { counted } from "../core/counted.ts";
import type { Problem } from "../core/either.ts";
import { encoderNames } from "../core/encoder-types.ts";
import { HUGGING_FACE_FILES } from "../io/hugging-face.ts";
import type { Tokenizer } from "../io/tokenizer.ts";
import type { Vocabulary } from "../io/vocabulary.ts";
import { ARCHITECTURES } from "../model/architectures.ts";
import type { ModelConfig } from "../model/config.ts";
import { modelNames } from "../model/names.ts";
import { parameterList } from "../model/parameters.ts";
import { formatShape, type Shape, sameShape } from "../tensor/shape.ts";

/** A value and the path from which it was read. Problems refer to the value by this path. */
export interface Named<T> {
  readonly path: string;
  readonly value: T;
}

/** A model in a directory, with the shapes of its tensors but not necessarily their values. */
interface StoredModel {
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  /** The path of the weights file, or of the index if there are several files. */
  readonly weights: string;
  /** The stored tensors that are parameters of the model, by parameter name. */
  readonly tensors: ReadonlyMap<string, { readonly shape: Shape }>;
  /** The names of stored tensors that are not parameters of the model. */
  readonly unused: readonly string[];
}

/** Problems of a model, and messages for the user about tensors that are newly initialised or not used. */
interface ModelFit {
  readonly problems: readonly Problem[];
  readonly notices: readonly string[];
}

/** Returns the path of a file in the directory of a model. */
export function fileOf(directory: string, file: keyof typeof HUGGING_FACE_FILES): string {
  return `${directory.replace(/\/+$/, "")}/${HUGGING_FACE_FILES[file]}`;
}

/** Returns the path of the file with the vocabulary of a directory's tokenizer. */
function tokenizerFile(directory: string, { kind }: Tokenizer): string {
  return fileOf(directory, kind === "fast" ? "tokenizer" : "vocabulary");
}

/** Maximum number of names that {@link listNames} lists in full. */
const MOST_NAMES = 4;

/** Lists names in a message. If there are many, gives only their number and the first few. */
export function listNames(names: readonly string[]): string {
  if (names.length <= MOST_NAMES) return names.join(", ");
  const first = names.slice(0, MOST_NAMES - 1);
  const more = names.length - first.length;
  return `${counted(names.length, "tensor")} (${first.join(", ")} and ${more} more)`;
}

/** Checks that a vocabulary has at most as many tokens as the model's embedding has rows. Embeddings may have more. */
export function vocabularyProblems(
  { path, value: { tokens } }: Named<Vocabulary>,
  model: string,
  { vocabularySize }: ModelConfig,
): readonly Problem[] {
  if (tokens.length <= vocabularySize) return [];
  const expected = `at most the ${vocabularySize} tokens of ${model}`;
  return [{ path, expected, got: `${tokens.length}` }];
}

/** Embeddings are often padded to a multiple of this number of rows. */
const PADDED_ROWS = 128;

/** Returns a message if a vocabulary has so few tokens that it may be another model's. */
function vocabularyNotices(
  { path, value: { tokens } }: Named<Vocabulary>,
  { vocabularySize }: ModelConfig,
): readonly string[] {
  if (vocabularySize - tokens.length < PADDED_ROWS) return [];
  const rows = `${vocabularySize} rows of the model's embeddings`;
  return [`${path}: ${tokens.length} tokens for ${rows}; is it the model's tokenizer?`];
}

/** Checks the names and shapes of stored tensors. A checkpoint without encoder tensors is reported as one problem. */
function tensorProblems(
  { config, weights, tensors, unused }: StoredModel,
  missing: readonly string[],
  isComplete: boolean,
): readonly Problem[] {
  const parameters = parameterList(config);
  const classifier = `${config.modelType} classifier`;
  const { prefix } = encoderNames(config.modelType);
  const encoder = parameters.filter(({ name }) => name.startsWith(`${prefix}.`));
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
 * Checks that a directory contains all parameters of its model, and a vocabulary that fits. Unless `needsHead` is set,
 * the classification head may be missing, because it can be newly initialised.
 */
export function modelFit({ path, value }: Named<StoredModel>, needsHead: boolean): ModelFit {
  const { config, tokenizer, tensors, unused } = value;
  const { dense, classifier } = modelNames(config).head;
  // The checkpoint of a pre-trained encoder may lack the classifier and the layer before it.
  const optional = needsHead ? [] : [dense, classifier];
  const absent = parameterList(config).filter(({ name }) => !tensors.has(name));
  const missing = absent.map(({ name }) => name);
  const isComplete = absent.every(({ module }) => optional.includes(module.name));
  const vocabulary = { path: tokenizerFile(path, tokenizer), value: tokenizer.vocabulary };
  const notice = (what: string, names: readonly string[]): readonly string[] =>
    names.length === 0 ? [] : [`${path}: ${what}: ${listNames(names)}`];
  return {
    problems: [
      ...vocabularyProblems(vocabulary, "the model", config),
      ...tensorProblems(value, missing, isComplete),
    ],
    notices: [
      ...vocabularyNotices(vocabulary, config),
      ...notice("newly initialised", isComplete ? missing : []),
      ...notice("not used", unused),
    ],
  };
}

/**
 * Returns the problems of a model that do not depend on the labels of a task. Its head may be missing or of any shape,
 * because it can be newly initialised.
 */
export function encoderProblems({ path, value }: Named<StoredModel>): readonly Problem[] {
  const { config, tensors } = value;
  const { classifier } = modelNames(config).head;
  const heads = parameterList(config).filter(({ module }) => module.name === classifier);
  const stored = heads.filter(({ name }) => tensors.has(name));
  const fitted = stored.map(({ name, shape }) => [name, { shape }] as const);
  const model = { ...value, tensors: new Map([...tensors, ...fitted]) };
  return modelFit({ path, value: model }, false).problems;
}

/** Checks that a model has token types for both texts of a pair, if any row is a pair. `label` names the option. */
export function pairProblems(
  label: string,
  model: Named<Pick<StoredModel, "config">> | undefined,
  hasPairs: boolean,
): readonly Problem[] {
  if (model === undefined || !hasPairs) return [];
  const { modelType, tokenTypes } = model.value.config;
  if (!ARCHITECTURES[modelType].typesPairs || tokenTypes >= 2) return [];
  const expected = "a model of at least 2 token types for pairs of texts";
  const got = `type_vocab_size ${tokenTypes} in ${fileOf(model.path, "config")}`;
  return [{ path: label, expected, got }];
}
