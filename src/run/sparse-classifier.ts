/** Loads a classifier for inference from a directory in Hugging Face's layout. The checkpoint may be packed. */

import { getOrThrow } from "../core/either.ts";
import type { TokenizerKind } from "../io/hugging-face.ts";
import type { Tokenizer } from "../io/tokenizer.ts";
import type { Backend } from "../kernels/backend.ts";
import type { ModelConfig } from "../model/config.ts";
import {
  createSparseClassifier,
  type SparseClassifier,
  type SparseClassifierOptions,
} from "../sparse/classifier.ts";
import { type CompleteClassifier, completeClassifier } from "./complete-classifier.ts";
import { openModelDirectory } from "./model-directory.ts";
import { outputMeaning } from "./model-labels.ts";
import type { RunStorage } from "./storage.ts";

/** A classifier for inference, with its tokenizer and the names of its classes. */
export interface LoadedClassifier {
  readonly classifier: SparseClassifier;
  readonly tokenizer: Tokenizer;
  /** The names of the classes from config.json. A class without a name is called `LABEL_` and its index. */
  readonly labels: readonly string[];
  /** Messages for the user about stored tensors that are not used. */
  readonly notices: readonly string[];
}

export interface LoadClassifierOptions extends Omit<SparseClassifierOptions, "tokens"> {
  /**
   * The number of tokens in a typical batch, or a function that computes it. The execution of each layer is chosen for
   * this number. Default 128.
   */
  readonly tokens?: number | ((tokenizer: Tokenizer, config: ModelConfig) => number);
  /** Which tokenizer to read. Default: the fast one if there is a tokenizer.json. */
  readonly tokenizer?: TokenizerKind | undefined;
}

/** A complete classifier, and a function that loads its weights. */
export interface OpenClassifier extends CompleteClassifier {
  /** Loads the weights. @throws TypeError or RangeError for invalid options */
  readonly create: (backend: Backend, options: SparseClassifierOptions) => SparseClassifier;
}

/**
 * Opens a sequence classifier, and checks that its weights are complete.
 *
 * @param kind which tokenizer to read. Default: the fast one if there is a tokenizer.json
 * @throws InputError with all problems in the directory
 */
export async function openClassifier(
  storage: RunStorage,
  directory: string,
  kind: TokenizerKind | undefined,
): Promise<OpenClassifier> {
  const model = getOrThrow(await openModelDirectory(storage, directory, "MODEL", kind));
  const complete = completeClassifier(directory, model);
  const { config, read } = complete;
  const create: OpenClassifier["create"] = (backend, options) =>
    createSparseClassifier(backend, config, read, options);
  return { ...complete, create };
}

/**
 * Loads a sequence classifier for inference.
 *
 * @throws InputError with all problems in the directory; TypeError or RangeError for invalid options
 */
export async function loadClassifier(
  storage: RunStorage,
  directory: string,
  backend: Backend,
  { tokens: expected = 128, tokenizer: kind, ...options }: LoadClassifierOptions,
): Promise<LoadedClassifier> {
  const open = await openClassifier(storage, directory, kind);
  try {
    const { config, tokenizer, notices } = open;
    const tokens = typeof expected === "function" ? expected(tokenizer, config) : expected;
    const classifier = open.create(backend, { ...options, tokens });
    return { classifier, tokenizer, labels: outputMeaning(config).names, notices };
  } finally {
    open.close();
  }
}
