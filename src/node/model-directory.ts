/** Models in Hugging Face's directory layout, on disk. */

import { join } from "node:path";
import { PACKED_WEIGHTS } from "../checkpoint/packed-checkpoint.ts";
import { PACKED_METADATA } from "../checkpoint/packed-manifest.ts";
import {
  type Either,
  getOrThrow,
  InputError,
  isLeft,
  isRight,
  left,
  type Problem,
  right,
} from "../core/either.ts";
import {
  HUGGING_FACE_FILES,
  readHuggingFaceModel,
  readHuggingFaceTokenizer,
  widenTensors,
} from "../io/hugging-face.ts";
import { writeHuggingFaceDirectory } from "../io/hugging-face-writer.ts";
import { tensorFromFloat32, writeSafetensors } from "../io/safetensors.ts";
import { parseSafetensorsHeader } from "../io/safetensors-header.ts";
import type { Tokenizer } from "../io/tokenizer.ts";
import { type ModelConfig, parseModelConfig } from "../model/config.ts";
import type { NamedValues } from "../model/parameters.ts";
import { directoryProblem, type FileMap, readDirectory, writeDirectory } from "../run/storage.ts";
import { openCheckpoint } from "./checkpoint-reader.ts";
import { kindOfPath } from "./files.ts";
import { nodeStorage } from "./storage.ts";

/** A model as a directory holds it. */
export interface LoadedModel {
  readonly config: ModelConfig;
  /** By transformers' names, widened to 32-bit floats. */
  readonly tensors: ReadonlyMap<string, NamedValues>;
  readonly tokenizer: Tokenizer;
}

/** What {@link saveModelDirectory} writes. */
export interface SavedModel {
  /** The contents of config.json. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: ReadonlyMap<string, NamedValues>;
  readonly tokenizer: Tokenizer;
}

const FILE_NAMES: readonly string[] = Object.values(HUGGING_FACE_FILES);

/**
 * Reads config.json, model.safetensors, or model.packed.safetensors, and the tokenizer of a directory, or says everything wrong with it. `label`
 * names what should have been a directory where it is none.
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
  const missing = await directoryProblem(nodeStorage, label, directory);
  if (missing !== undefined) return left([missing]);
  const files = await unpackedFiles(directory);
  if (isLeft(files)) return files;
  const model = readHuggingFaceModel(files.right);
  const tokenizer = readHuggingFaceTokenizer(files.right);
  if (isLeft(model) || isLeft(tokenizer)) return left(located(directory, [model, tokenizer]));
  const config = parseModelConfig(model.right.config);
  if (isLeft(config)) return inConfiguration(directory, config.left);
  const tensors = widenTensors(model.right.tensors);
  return right({ config: config.right, tensors, tokenizer: tokenizer.right });
}

/** The files of a model; packed weights as the plain file that they unpack to, where there is no other. */
async function unpackedFiles(directory: string): Promise<Either<readonly Problem[], FileMap>> {
  const files = await readDirectory(nodeStorage, directory, (name) => FILE_NAMES.includes(name));
  const plain = files.get(HUGGING_FACE_FILES.weights);
  // A packed file may have any name.
  const isPacked = plain !== undefined && hasManifest(plain);
  const packed = join(directory, isPacked ? HUGGING_FACE_FILES.weights : PACKED_WEIGHTS);
  if ((plain !== undefined && !isPacked) || (await kindOfPath(packed)) !== "file")
    return right(files);
  const opened = await openCheckpoint(packed);
  if (isLeft(opened)) return opened;
  const checkpoint = opened.right;
  try {
    const tensors = checkpoint.entries.map(
      (entry) => [entry.name, checkpoint.read(entry)] as const,
    );
    const weights = writeSafetensors(new Map(tensors));
    return right(new Map([...files, [HUGGING_FACE_FILES.weights, weights]]));
  } catch (error) {
    if (error instanceof InputError) return left(error.problems);
    throw error;
  } finally {
    checkpoint.close();
  }
}

/** Problems of settings, each with the file before its key. */
export function inConfiguration(
  directory: string,
  problems: readonly Problem[],
): Either<readonly Problem[], never> {
  const file = join(directory, HUGGING_FACE_FILES.config);
  return left(problems.map((problem) => ({ ...problem, path: `${file}: ${problem.path}` })));
}

function hasManifest(bytes: Uint8Array): boolean {
  const header = parseSafetensorsHeader(bytes, bytes.length);
  return isRight(header) && PACKED_METADATA in header.right.metadata;
}

/** All problems, each with the directory before its path. */
function located(
  directory: string,
  results: readonly Either<readonly Problem[], unknown>[],
): readonly Problem[] {
  return results
    .flatMap((result) => (isLeft(result) ? result.left : []))
    .map((problem) => ({ ...problem, path: join(directory, problem.path) }));
}

/**
 * Loads a sequence classifier and its tokenizer from a Hugging Face directory.
 *
 * @throws InputError with every problem of the directory
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

/** Saves a model so that transformers' `from_pretrained` loads it; tensors are written as F32. */
export async function saveModelDirectory(directory: string, model: SavedModel): Promise<void> {
  const tensors = new Map(
    [...model.tensors].map(([name, { shape, data }]) => [
      name,
      tensorFromFloat32("F32", shape, data),
    ]),
  );
  await writeDirectory(nodeStorage, directory, writeHuggingFaceDirectory({ ...model, tensors }));
}
