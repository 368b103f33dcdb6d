/** Classifiers for inference from directories on disk. */

import type { Backend } from "../kernels/backend.ts";
import {
  type LoadClassifierOptions,
  type LoadedClassifier,
  loadClassifier,
} from "../run/sparse-classifier.ts";
import { openCheckpoint } from "./checkpoint-reader.ts";
import { nodeStorage } from "./storage.ts";

/**
 * Loads a sequence classifier for inference, its weights tensor by tensor from any form that `openCheckpoint` reads.
 *
 * @throws InputError with every problem of the directory; TypeError or RangeError for malformed options
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
export function loadSparseClassifier(
  directory: string,
  backend: Backend,
  options: LoadClassifierOptions = {},
): Promise<LoadedClassifier> {
  return loadClassifier({ storage: nodeStorage, openCheckpoint }, directory, backend, options);
}
