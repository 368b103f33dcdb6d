/** Loads a classifier for inference from a directory in Hugging Face's layout, packed or not. */

import { getOrThrow, InputError } from "../core/either.ts";
import { modelFit } from "../experiment/model-fit.ts";
import type { Tokenizer } from "../io/tokenizer.ts";
import type { Backend } from "../kernels/backend.ts";
import type { ModelConfig } from "../model/config.ts";
import {
  createSparseClassifier,
  type SparseClassifier,
  type SparseClassifierOptions,
} from "../sparse/classifier.ts";
import { openModelDirectory } from "./model-directory.ts";
import type { RunStorage } from "./storage.ts";

/** A classifier with its tokenizer and the names of its classes. */
export interface LoadedClassifier {
  readonly classifier: SparseClassifier;
  readonly tokenizer: Tokenizer;
  /** Class names from config.json; classes without a name are called `LABEL_0`, `LABEL_1` and so on. */
  readonly labels: readonly string[];
  /** Messages for the user about tensors that are not used. */
  readonly notices: readonly string[];
}

export interface LoadClassifierOptions extends Omit<SparseClassifierOptions, "tokens"> {
  /** Tokens in a typical batch, or a function that computes them. Executions are chosen for it. Default 128. */
  readonly tokens?: number | ((tokenizer: Tokenizer, config: ModelConfig) => number);
}

function labelsOf({ labels, source }: ModelConfig): readonly string[] {
  const { id2label } = source;
  const names = typeof id2label === "object" && id2label !== null ? id2label : {};
  return Array.from({ length: labels }, (_, i) => {
    const name = (names as Readonly<Record<string, unknown>>)[String(i)];
    return typeof name === "string" ? name : `LABEL_${i}`;
  });
}

/**
 * Loads a sequence classifier for inference.
 *
 * @throws InputError with every problem of the directory; TypeError or RangeError for malformed options
 */
export async function loadClassifier(
  storage: RunStorage,
  directory: string,
  backend: Backend,
  { tokens: expected = 128, ...options }: LoadClassifierOptions,
): Promise<LoadedClassifier> {
  const model = getOrThrow(await openModelDirectory(storage, directory, "MODEL"));
  try {
    const { config, tokenizer, weights, tensors } = model;
    const { problems, notices } = modelFit({ path: directory, value: model }, true);
    if (problems.length > 0) throw new InputError(problems);
    const classifier = createSparseClassifier(
      backend,
      config,
      (name) => {
        const entry = tensors.get(name);
        if (entry === undefined)
          throw new RangeError(`${name}: expected a tensor in ${weights}, got none`);
        return model.read(entry);
      },
      {
        ...options,
        tokens: typeof expected === "function" ? expected(tokenizer, config) : expected,
      },
    );
    return { classifier, tokenizer, labels: labelsOf(config), notices };
  } finally {
    model.close();
  }
}
