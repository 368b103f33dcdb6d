/** Provides Node's file system as the storage of runs and models. */

import { mkdir, readdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import {
  checkFunction,
  checkMapOf,
  checkObject,
  checkOneOf,
  checkOptions,
  checkString,
} from "../core/checks.ts";
import { type Either, getOrThrow, type Problem, refuseInput } from "../core/either.ts";
import type { LoadedModel } from "../experiment/starting-model.ts";
import type { Backend } from "../kernels/backend.ts";
import { checkBackend } from "../kernels/check.ts";
import * as run from "../run/model-directory.ts";
import {
  type LoadClassifierOptions,
  type LoadedClassifier,
  loadClassifier,
} from "../run/sparse-classifier.ts";
import type { RunStorage } from "../run/storage.ts";
import { checkPath } from "./arguments.ts";
import { openCheckpoint, openNamed } from "./checkpoint-reader.ts";
import { lockDirectory } from "./directory-lock.ts";
import { kindOfPath, readBytes, writeFileAtomically, writePartsAtomically } from "./files.ts";
import type { ModelPlace } from "./model-name.ts";
import { decompressed, readRowFile } from "./row-files.ts";

/** The storage of runs on Node: the file system. */
export const nodeStorage: RunStorage = {
  kind: kindOfPath,
  list: async (directory) => {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
  },
  read: readBytes,
  write: async (path, content) => {
    await mkdir(dirname(path), { recursive: true });
    if (typeof content === "string" || content instanceof Uint8Array)
      writeFileAtomically(path, content);
    else writePartsAtomically(path, content);
  },
  readRows: readRowFile,
  openCheckpoint,
  lock: lockDirectory,
};

/** Returns a storage in which models have their names as paths. Everything else is as in {@link nodeStorage}. */
export function storageOf(...models: readonly ModelPlace[]): RunStorage {
  // A name such as `a` may be the beginning of another one, such as `a/b`.
  const longestFirst = models.toSorted((a, b) => b.name.length - a.name.length);
  const pathOf = (named: string): string => {
    const model = longestFirst.find(({ name }) => named === name || named.startsWith(`${name}/`));
    return model === undefined ? named : model.path + named.slice(model.name.length);
  };
  return {
    ...nodeStorage,
    kind: (path) => kindOfPath(pathOf(path)),
    list: (path) => nodeStorage.list(pathOf(path)),
    read: (path) => readBytes(pathOf(path)),
    openCheckpoint: (path) => openNamed({ path: pathOf(path), name: path }),
  };
}

/**
 * Returns a storage for reading a file twice. A pipe can be read once, so its bytes are kept.
 *
 * @throws InputError if the pipe has broken gzip data
 */
export async function storageReadingTwice(path: string): Promise<RunStorage> {
  if ((await stat(path)).isFile()) return nodeStorage;
  const content = decompressed(await readBytes(path));
  if ("gzipProblem" in content) return refuseInput(path, "whole gzip data", content.gzipProblem);
  const { readRows: _, ...storage } = nodeStorage;
  return { ...storage, read: async () => content.bytes };
}

/**
 * Reads config.json, the tokenizer and the weights in a directory, or returns all problems. The weights may have any
 * format that `openCheckpoint` opens. If the directory is missing, the problem names the option `label`.
 *
 * @example
 * ```ts
 * import { formatProblem, readModelDirectory } from "espalier/node";
 *
 * const model = await readModelDirectory("no/such/directory");
 * if (model._tag === "Right") throw new Error("expected problems");
 * const [problem] = model.left.map(formatProblem);
 * if (problem?.includes("does not exist") !== true) throw new Error("expected to be told why");
 * ```
 */
export async function readModelDirectory(
  directory: string,
  label: string = "model",
): Promise<Either<readonly Problem[], LoadedModel>> {
  checkString("directory", directory);
  checkString("label", label);
  return run.readModelDirectory(nodeStorage, directory, label);
}

/**
 * Loads a sequence classifier and its tokenizer from a Hugging Face directory.
 *
 * @throws InputError with every problem in the directory
 *
 * @example
 * ```ts
 * import { mkdtempSync } from "node:fs";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import { createTokenizer } from "espalier/io";
 * import { loadModelDirectory, saveModelDirectory } from "espalier/node";
 *
 * const directory = join(mkdtempSync(join(tmpdir(), "espalier-")), "model");
 * await saveModelDirectory(directory, {
 *   config: { model_type: "bert", hidden_size: 4, num_attention_heads: 2, vocab_size: 6 },
 *   tensors: new Map([["classifier.bias", { shape: [2], data: new Float32Array([1, 2]) }]]),
 *   tokenizer: createTokenizer("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ntree\n"),
 * });
 * const { config, tensors } = await loadModelDirectory(directory);
 * if (config.hiddenSize !== 4) throw new Error("expected the configuration that was saved");
 * if (tensors.get("classifier.bias")?.data[1] !== 2) throw new Error("expected the values that were saved");
 * ```
 */
export async function loadModelDirectory(directory: string): Promise<LoadedModel> {
  return getOrThrow(await readModelDirectory(directory));
}

/**
 * Saves a model such that transformers' `from_pretrained` can load it. Tensors are written as F32.
 *
 * @throws TypeError or RangeError for an invalid argument, InputError if `directory` is a file, or the file system's
 *   error
 */
export async function saveModelDirectory(directory: string, model: run.SavedModel): Promise<void> {
  checkPath("directory", directory);
  checkObject("model", model, "config", "tensors", "tokenizer");
  checkMapOf("model.tensors", model.tensors, "shape", "data");
  if ((await kindOfPath(directory)) === "file")
    refuseInput("directory", "a directory, or nothing", `a file: ${directory}`);
  return run.saveModelDirectory(nodeStorage, directory, model);
}

/**
 * Loads a sequence classifier for inference. Reads one tensor at a time, from any format that `openCheckpoint` opens.
 *
 * @throws InputError with every problem in the directory; TypeError or RangeError for invalid options
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
  options: LoadClassifierOptions = {},
): Promise<LoadedClassifier> {
  checkString("directory", directory);
  checkBackend(backend);
  checkOptions("options", options, ["costs", "tokens", "executions", "tokenizer"]);
  const { tokenizer, tokens } = options;
  if (tokenizer !== undefined) checkOneOf("tokenizer", tokenizer, ["fast", "slow"]);
  if (typeof tokens === "function") checkFunction("tokens", tokens);
  return loadClassifier(nodeStorage, directory, backend, options);
}
