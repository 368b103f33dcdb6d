/** Reads a model directory in Hugging Face's layout, given as a map from file names to bytes. */

import { pipe } from "fp-ts/function";
import { allOf, chain, type Either, map, type Problem, refuse, right } from "../core/either.ts";
import { looksLike } from "./content.ts";
import { type JsonObject, parseJsonObject } from "./json.ts";
import { canonicalNames, type EncoderType } from "./parameter-names.ts";
import { readSafetensors, type StoredTensor, toFloat32 } from "./safetensors.ts";
import { decodeUtf8 } from "./text.ts";
import { type Tokenizer, tokenizerOf } from "./tokenizer.ts";
import { parseTokenizerConfig } from "./tokenizer-config.ts";
import { parseVocabulary, type Vocabulary } from "./vocabulary.ts";

/** The contents of a directory's files, by file name. */
export type DirectoryFiles = ReadonlyMap<string, Uint8Array>;

export const HUGGING_FACE_FILES = {
  config: "config.json",
  weights: "model.safetensors",
  vocabulary: "vocab.txt",
  tokenizerConfig: "tokenizer_config.json",
  specialTokens: "special_tokens_map.json",
} as const;

/** A checkpoint with its tensors named as in transformers' sequence classifiers. */
export interface StoredModel {
  /** The contents of config.json, for `parseModelConfig` in `espalier/nn`. */
  readonly config: JsonObject;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads config.json and model.safetensors. Tensors get the names that they have in a classifier: `gamma` and `beta`
 * become `weight` and `bias`, the prefix of the encoder is added, and prefixes of wrapped models, such as `module.`,
 * are removed. Tensors may be missing, because a pre-trained encoder has no classifier; `compareNames` lists the
 * missing tensors.
 *
 * @example
 * ```ts
 * import { compareNames, readHuggingFaceModel, widenTensors } from "espalier/io";
 * import { tensorFromFloat32, writeSafetensors } from "espalier/io";
 *
 * const gamma = tensorFromFloat32("F32", [2], new Float32Array([1, 1]));
 * const model = readHuggingFaceModel(
 *   new Map([
 *     ["config.json", new TextEncoder().encode('{"model_type": "bert"}')],
 *     ["model.safetensors", writeSafetensors(new Map([["embeddings.LayerNorm.gamma", gamma]]))],
 *   ]),
 * );
 * if (model._tag === "Left") throw new Error("expected a readable directory");
 * const tensors = widenTensors(model.right.tensors);
 * const { missing } = compareNames(["bert.embeddings.LayerNorm.weight", "classifier.bias"], tensors);
 * if (missing.join() !== "classifier.bias") throw new Error("expected only the head to be missing");
 * ```
 */
export function readHuggingFaceModel(
  files: DirectoryFiles,
): Either<readonly Problem[], StoredModel> {
  return pipe(
    allOf({
      config: readHuggingFaceConfig(files),
      weights: readFile(files, HUGGING_FACE_FILES.weights, (source, bytes) =>
        readSafetensors(bytes, { source }),
      ),
    }),
    chain(({ config, weights: { metadata, tensors } }) =>
      pipe(
        canonicalNames(encoderType(config), tensors),
        map((named) => ({ config, tensors: named, metadata })),
      ),
    ),
  );
}

/** Reads config.json. */
export function readHuggingFaceConfig(
  files: DirectoryFiles,
): Either<readonly Problem[], JsonObject> {
  return readFile(files, HUGGING_FACE_FILES.config, parseJsonObject);
}

/**
 * Reads vocab.txt and, if present, tokenizer_config.json. Without tokenizer_config.json, text is lower-cased, as the
 * published uncased models expect. Tokenizer classes other than those of BERT and DistilBERT are refused.
 *
 * @example
 * ```ts
 * import { formatProblem, getOrThrow, readHuggingFaceTokenizer } from "espalier/io";
 *
 * const vocabulary = new TextEncoder().encode("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ntree\n");
 * const tokenizer = getOrThrow(readHuggingFaceTokenizer(new Map([["vocab.txt", vocabulary]])));
 * if (tokenizer.vocabulary.tokens.length !== 6) throw new Error("expected six tokens");
 * const absent = readHuggingFaceTokenizer(new Map());
 * if (absent._tag === "Right") throw new Error("expected a problem");
 * if (!absent.left.map(formatProblem).join().startsWith("vocab.txt: expected this file")) {
 *   throw new Error("expected the file's name");
 * }
 * ```
 */
export function readHuggingFaceTokenizer(
  files: DirectoryFiles,
): Either<readonly Problem[], Tokenizer> {
  return pipe(
    allOf({
      vocabulary: readFile(files, HUGGING_FACE_FILES.vocabulary, (source, bytes) =>
        readVocabulary(source, bytes),
      ),
      options: files.has(HUGGING_FACE_FILES.tokenizerConfig)
        ? readFile(files, HUGGING_FACE_FILES.tokenizerConfig, parseTokenizerConfig)
        : right({}),
    }),
    map(({ vocabulary, options }) => tokenizerOf(vocabulary, options)),
  );
}

function readVocabulary(source: string, bytes: Uint8Array): Either<readonly Problem[], Vocabulary> {
  // The first line can be any token, such as a bracket, which looks like JSON.
  const other = looksLike(bytes, "plain text", "JSON");
  if (other !== undefined) return refuse(source, "a vocabulary", other);
  return pipe(
    decodeUtf8(source, bytes),
    chain((text) => parseVocabulary(source, text)),
  );
}

/** Converts stored tensors to 32-bit floats, for the parameters of a model. */
export function widenTensors(
  tensors: ReadonlyMap<string, StoredTensor>,
): ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }> {
  return new Map(
    [...tensors].map(([name, tensor]) => [name, { shape: tensor.shape, data: toFloat32(tensor) }]),
  );
}

function readFile<T>(
  files: DirectoryFiles,
  name: string,
  parse: (source: string, bytes: Uint8Array) => Either<readonly Problem[], T>,
): Either<readonly Problem[], T> {
  const bytes = files.get(name);
  return bytes === undefined ? refuse(name, "this file", "none") : parse(name, bytes);
}

/** Returns the model type of a configuration. Old configurations of BERT have no `model_type`. */
export function encoderType(config: JsonObject): EncoderType {
  return config.model_type === "distilbert" ? "distilbert" : "bert";
}
