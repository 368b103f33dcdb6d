/** Loads a classifier for inference from a directory in Hugging Face's layout, packed or not. */

import { pipe } from "fp-ts/function";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { isFloatingPoint } from "../checkpoint/zero-pruned.ts";
import {
  type Either,
  getOrThrow,
  InputError,
  isLeft,
  left,
  map,
  type Problem,
  prefixPaths,
  refuse,
  refuseInput,
} from "../core/either.ts";
import { HUGGING_FACE_FILES, readHuggingFaceTokenizer } from "../io/hugging-face.ts";
import { type JsonObject, parseJsonObject } from "../io/json.ts";
import { canonicalNames } from "../io/parameter-names.ts";
import { toFloat32 } from "../io/safetensors.ts";
import type { Tokenizer } from "../io/tokenizer.ts";
import type { Backend } from "../kernels/backend.ts";
import { type ModelConfig, parseModelConfig } from "../model/config.ts";
import { parameterList } from "../model/parameters.ts";
import {
  createSparseClassifier,
  type SparseClassifier,
  type SparseClassifierOptions,
} from "../sparse/classifier.ts";
import { inDirectory, joinPath, kindProblem, type RunStorage, readDirectory } from "./storage.ts";

/** A classifier with its tokenizer and the names of its classes. */
export interface LoadedClassifier {
  readonly classifier: SparseClassifier;
  readonly tokenizer: Tokenizer;
  /** Class names from config.json; classes without a name are called `LABEL_0`, `LABEL_1` and so on. */
  readonly labels: readonly string[];
}

export interface LoadClassifierOptions extends Omit<SparseClassifierOptions, "tokens"> {
  /** Tokens in a typical batch, or a function that computes them. Executions are chosen for it. Default 128. */
  readonly tokens?: number | ((tokenizer: Tokenizer, config: ModelConfig) => number);
}

/** Reads the files of a classifier: `storage` the small files, `openCheckpoint` the tensors one at a time. */
interface ClassifierSource {
  readonly storage: RunStorage;
  readonly openCheckpoint: (path: string) => Promise<Either<readonly Problem[], Checkpoint>>;
}

function labelsOf({ id2label }: JsonObject, count: number): readonly string[] {
  const names = typeof id2label === "object" && id2label !== null ? id2label : {};
  return Array.from({ length: count }, (_, i) => {
    const name = (names as JsonObject)[String(i)];
    return typeof name === "string" ? name : `LABEL_${i}`;
  });
}

async function describeDirectory(storage: RunStorage, directory: string) {
  const missing = await kindProblem(storage, "directory", "MODEL", directory);
  if (missing !== undefined) return left([missing]);
  const { config: configName, vocabulary, tokenizerConfig } = HUGGING_FACE_FILES;
  const wanted: readonly string[] = [configName, vocabulary, tokenizerConfig];
  const files = await readDirectory(storage, directory, (name) => wanted.includes(name));
  const path = joinPath(directory, configName);
  const bytes = files.get(configName);
  const json =
    bytes === undefined ? refuse(path, "this file", "none") : parseJsonObject(path, bytes);
  if (isLeft(json)) return json;
  const config = pipe(parseModelConfig(json.right), prefixPaths(`${path}: `));
  if (isLeft(config)) return config;
  const labels = labelsOf(json.right, config.right.labels);
  return pipe(
    readHuggingFaceTokenizer(files),
    inDirectory(directory),
    map((tokenizer) => ({ config: config.right, labels, tokenizer })),
  );
}

/**
 * Loads a sequence classifier for inference.
 *
 * @throws InputError with every problem of the directory; TypeError or RangeError for malformed options
 */
export async function loadClassifier(
  { storage, openCheckpoint }: ClassifierSource,
  directory: string,
  backend: Backend,
  { tokens: expected = 128, ...options }: LoadClassifierOptions,
): Promise<LoadedClassifier> {
  const { config, tokenizer, labels } = getOrThrow(await describeDirectory(storage, directory));
  const vocabularySize = tokenizer.vocabulary.tokens.length;
  const path = joinPath(directory, HUGGING_FACE_FILES.vocabulary);
  const limit = `at most the ${config.vocabularySize} tokens of the model`;
  if (vocabularySize > config.vocabularySize) refuseInput(path, limit, `${vocabularySize}`);
  const checkpoint = getOrThrow(await openCheckpoint(directory));
  try {
    const entries = new Map(checkpoint.entries.map((entry) => [entry.name, entry]));
    for (const [alias, name] of checkpoint.tied) {
      const entry = entries.get(name);
      if (entry !== undefined) entries.set(alias, entry);
    }
    const named = getOrThrow(canonicalNames(config.modelType, entries));
    const problems = parameterList(config).flatMap(({ name, shape }): readonly Problem[] => {
      const entry = named.get(name);
      const path = `${checkpoint.path}: ${name}`;
      if (entry === undefined) return [{ path, expected: "this tensor", got: "none" }];
      if (entry.shape.join() === shape.join() && isFloatingPoint(entry.dtype)) return [];
      const got = `${entry.dtype} [${entry.shape.join(", ")}]`;
      return [{ path, expected: `floating-point numbers [${shape.join(", ")}]`, got }];
    });
    if (problems.length > 0) throw new InputError(problems);
    const classifier = createSparseClassifier(
      backend,
      config,
      (name) => {
        const entry = named.get(name);
        if (entry === undefined)
          throw new RangeError(`${name}: expected a tensor in ${checkpoint.path}, got none`);
        return { shape: entry.shape, data: toFloat32(checkpoint.read(entry)) };
      },
      {
        ...options,
        tokens: typeof expected === "function" ? expected(tokenizer, config) : expected,
      },
    );
    return { classifier, tokenizer, labels };
  } finally {
    checkpoint.close();
  }
}
