/** A classifier for inference from a directory in Hugging Face's layout, packed or not. */

import { join } from "node:path";
import { isFloatingPoint } from "../checkpoint/selectable.ts";
import {
  type Either,
  getOrThrow,
  InputError,
  isLeft,
  left,
  type Problem,
  right,
} from "../core/either.ts";
import { HUGGING_FACE_FILES, readHuggingFaceTokenizer } from "../io/hugging-face.ts";
import { type JsonObject, parseJsonObject } from "../io/json.ts";
import { canonicalNames } from "../io/parameter-names.ts";
import { toFloat32 } from "../io/safetensors.ts";
import type { Tokenizer } from "../io/tokenizer.ts";
import type { Backend } from "../kernels/backend.ts";
import { type ModelConfig, parseModelConfig } from "../model/config.ts";
import { parameterList } from "../model/parameters.ts";
import { inConfiguration } from "../run/model-directory.ts";
import { directoryProblem, readDirectory } from "../run/storage.ts";
import {
  createSparseClassifier,
  type SparseClassifier,
  type SparseClassifierOptions,
} from "../sparse/classifier.ts";
import { openCheckpoint } from "./checkpoint-reader.ts";
import { nodeStorage } from "./storage.ts";

/** A classifier with what turns texts into its input and its output into names. */
export interface LoadedClassifier {
  readonly classifier: SparseClassifier;
  readonly tokenizer: Tokenizer;
  /** Names of the classes, as config.json has them, else `LABEL_0` and so on. */
  readonly labels: readonly string[];
}

/** How {@link loadSparseClassifier} decides. */
export interface LoadClassifierOptions extends Omit<SparseClassifierOptions, "tokens"> {
  /** Tokens of the batches to come, for which ways are chosen, or how the tokenizer tells. Default 128. */
  readonly tokens?: number | ((tokenizer: Tokenizer, config: ModelConfig) => number);
}

/** config.json and the tokenizer of a directory. */
interface Description {
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  readonly labels: readonly string[];
}

function labelsOf({ id2label }: JsonObject, count: number): readonly string[] {
  const names = typeof id2label === "object" && id2label !== null ? id2label : {};
  return Array.from({ length: count }, (_, i) => {
    const name = (names as JsonObject)[String(i)];
    return typeof name === "string" ? name : `LABEL_${i}`;
  });
}

async function describeDirectory(
  directory: string,
): Promise<Either<readonly Problem[], Description>> {
  const missing = await directoryProblem(nodeStorage, "MODEL", directory);
  if (missing !== undefined) return left([missing]);
  const { config: configName, vocabulary, tokenizerConfig } = HUGGING_FACE_FILES;
  const wanted: readonly string[] = [configName, vocabulary, tokenizerConfig];
  const files = await readDirectory(nodeStorage, directory, (name) => wanted.includes(name));
  const bytes = files.get(configName);
  if (bytes === undefined) {
    const path = join(directory, configName);
    return left([{ path, expected: "this file", got: "none" }]);
  }
  const json = parseJsonObject(join(directory, configName), bytes);
  const tokenizer = readHuggingFaceTokenizer(files);
  if (isLeft(json)) return json;
  const config = parseModelConfig(json.right);
  const located = (problems: readonly Problem[]): Either<readonly Problem[], never> =>
    left(problems.map((problem) => ({ ...problem, path: join(directory, problem.path) })));
  if (isLeft(config)) return inConfiguration(directory, config.left);
  if (isLeft(tokenizer)) return located(tokenizer.left);
  const labels = labelsOf(json.right, config.right.labels);
  return right({ config: config.right, tokenizer: tokenizer.right, labels });
}

/**
 * Loads a sequence classifier for inference, its weights tensor by tensor from any form that `openCheckpoint` reads.
 *
 * @throws InputError with every problem of the directory; TypeError or RangeError for options that are none
 *
 * @example
 * ```ts
 * import { createBackend } from "espalier/nn";
 * import { loadSparseClassifier } from "espalier/node";
 *
 * let message = "";
 * try {
 *   await loadSparseClassifier("no/such/directory", createBackend());
 * } catch (error) {
 *   message = String(error);
 * }
 * if (!message.includes("does not exist")) throw new Error("expected to be told why");
 * ```
 */
export async function loadSparseClassifier(
  directory: string,
  backend: Backend,
  { tokens: expected = 128, ...options }: LoadClassifierOptions = {},
): Promise<LoadedClassifier> {
  const { config, tokenizer, labels } = getOrThrow(await describeDirectory(directory));
  const vocabularySize = tokenizer.vocabulary.tokens.length;
  if (vocabularySize > config.vocabularySize)
    throw new InputError([
      {
        path: join(directory, HUGGING_FACE_FILES.vocabulary),
        expected: `at most the ${config.vocabularySize} tokens of the model`,
        got: `${vocabularySize}`,
      },
    ]);
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
