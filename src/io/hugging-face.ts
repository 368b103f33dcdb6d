/** Reads a model directory in Hugging Face's layout, given as a map from file names to bytes. */

import { pipe } from "fp-ts/function";
import { checkBytes, checkMap, checkMapOf, describe } from "../core/checks.ts";
import { allOf, chain, type Either, map, type Problem, refuse } from "../core/either.ts";
import { type EncoderType, statedEncoderType } from "../core/encoder-types.ts";
import { type JsonObject, parseJsonObject } from "./json.ts";
import { canonicalNames } from "./parameter-names.ts";
import { readSafetensors, type StoredTensor, toFloat32 } from "./safetensors.ts";
import { readSlowTokenizer } from "./slow-tokenizer.ts";
import type { Others } from "./tokenizer/other-parsers.ts";
import { OTHER_PARTS } from "./tokenizer/other-parts.ts";
import { readFast } from "./tokenizer/read-fast.ts";
import type { FastTokenizer, Tokenizer } from "./tokenizer.ts";

/** The contents of a directory's files, by file name. */
export type DirectoryFiles = ReadonlyMap<string, Uint8Array>;

export const HUGGING_FACE_FILES = {
  config: "config.json",
  weights: "model.safetensors",
  vocabulary: "vocab.txt",
  tokenizerConfig: "tokenizer_config.json",
  specialTokens: "special_tokens_map.json",
  addedTokens: "added_tokens.json",
  tokenizer: "tokenizer.json",
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
  checkFiles(files);
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

/** Which of the tokenizers in a directory to read, named as in transformers. */
export const TOKENIZER_KINDS = ["fast", "slow"] as const;

export type TokenizerKind = (typeof TOKENIZER_KINDS)[number];

/**
 * Reads a tokenizer: a fast one from tokenizer.json or, without that file, a slow one from vocab.txt. `kind` overrides
 * this choice. tokenizer_config.json, special_tokens_map.json, added_tokens.json and config.json change the
 * tokens as in transformers. A part that cannot be read is refused, and the problem names it. Without
 * tokenizer_config.json, a slow tokenizer converts text to lower case, as the published uncased models expect.
 *
 * @example
 * ```ts
 * import { formatProblem, getOrThrow, readHuggingFaceTokenizer } from "espalier/io";
 *
 * const vocabulary = new TextEncoder().encode("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ntree\n");
 * const tokenizer = getOrThrow(readHuggingFaceTokenizer(new Map([["vocab.txt", vocabulary]])));
 * if (tokenizer.kind !== "slow") throw new Error("expected the tokenizer of vocab.txt");
 * if (tokenizer.vocabulary.tokens.length !== 6) throw new Error("expected six tokens");
 * const absent = readHuggingFaceTokenizer(new Map());
 * if (absent._tag === "Right") throw new Error("expected a problem");
 * if (!absent.left.map(formatProblem).join().startsWith("tokenizer.json, vocab.txt: expected")) {
 *   throw new Error("expected the names of the files");
 * }
 * ```
 */
export function readHuggingFaceTokenizer(
  files: DirectoryFiles,
  kind?: TokenizerKind,
): Either<readonly Problem[], Tokenizer> {
  checkFiles(files);
  const { tokenizer, vocabulary } = HUGGING_FACE_FILES;
  if (kind === undefined && !files.has(tokenizer) && !files.has(vocabulary))
    return refuse(`${tokenizer}, ${vocabulary}`, "one of these files", "neither");
  const chosen = kind ?? (files.has(tokenizer) ? "fast" : "slow");
  if (chosen === "slow") return readSlowTokenizer(files);
  return readFastTokenizer(files, OTHER_PARTS);
}

/** Reads the tokenizer of tokenizer.json. Without the code of other parts, such parts are refused by name. */
export function readFastTokenizer(
  files: DirectoryFiles,
  others: Others,
): Either<readonly Problem[], FastTokenizer> {
  const { tokenizer, vocabulary, tokenizerConfig, specialTokens, addedTokens } = HUGGING_FACE_FILES;
  const copied = [tokenizer, tokenizerConfig, specialTokens, addedTokens, vocabulary];
  return pipe(
    files.has(tokenizer) ? readFast(files, others) : refuse(tokenizer, "this file", "none"),
    map(({ pipeline, tokens, ids, maxLength }) => ({
      kind: "fast" as const,
      vocabulary: { tokens, ids },
      pipeline,
      maxLength,
      files: new Map([...files].filter(([name]) => copied.some((one) => one === name))),
    })),
  );
}

/** Converts stored tensors to 32-bit floats, for the parameters of a model. */
export function widenTensors(
  tensors: ReadonlyMap<string, StoredTensor>,
): ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }> {
  checkMapOf("tensors", tensors, "dtype", "shape", "bytes");
  return new Map(
    [...tensors].map(([name, tensor]) => [name, { shape: tensor.shape, data: toFloat32(tensor) }]),
  );
}

function checkFiles(files: DirectoryFiles): void {
  checkMap("files", files);
  for (const [name, bytes] of files) checkBytes(`files ${describe(name)}`, bytes);
}

function readFile<T>(
  files: DirectoryFiles,
  name: string,
  parse: (source: string, bytes: Uint8Array) => Either<readonly Problem[], T>,
): Either<readonly Problem[], T> {
  const bytes = files.get(name);
  return bytes === undefined ? refuse(name, "this file", "none") : parse(name, bytes);
}

/** Returns the model type of a configuration. An unknown one is read like BERT. */
export function encoderType(config: JsonObject): EncoderType {
  return statedEncoderType(config) ?? "bert";
}
