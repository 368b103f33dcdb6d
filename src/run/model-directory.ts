/** Reads and saves models in Hugging Face's directory layout. */

import { pipe } from "fp-ts/function";
import { openCheckpointFile } from "../checkpoint/open.ts";
import { PACKED_WEIGHTS } from "../checkpoint/packed-checkpoint.ts";
import { PACKED_METADATA } from "../checkpoint/packed-manifest.ts";
import {
  allOf,
  chain,
  type Either,
  InputError,
  isLeft,
  isRight,
  left,
  map,
  type Problem,
  prefixPaths,
  right,
} from "../core/either.ts";
import type { LoadedModel } from "../experiment/starting-model.ts";
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
import { parseModelConfig } from "../model/config.ts";
import type { NamedValues } from "../model/parameters.ts";
import {
  type FileMap,
  inDirectory,
  joinPath,
  kindProblem,
  type RunStorage,
  readDirectory,
  writeDirectory,
} from "./storage.ts";

/** The contents of a model directory to write. */
export interface SavedModel {
  /** The contents of config.json. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: ReadonlyMap<string, NamedValues>;
  readonly tokenizer: Tokenizer;
}

const FILE_NAMES: readonly string[] = Object.values(HUGGING_FACE_FILES);

/**
 * Reads config.json, the weights (model.safetensors, else model.packed.safetensors) and the tokenizer of a directory,
 * or returns all problems. `label` names the option in the problem of a missing directory.
 */
export async function readModelDirectory(
  storage: RunStorage,
  directory: string,
  label: string,
): Promise<Either<readonly Problem[], LoadedModel>> {
  const missing = await kindProblem(storage, "directory", label, directory);
  if (missing !== undefined) return left([missing]);
  const files = unpackedFiles(directory, await readModelFiles(storage, directory));
  if (isLeft(files)) return files;
  return pipe(
    allOf({
      model: readHuggingFaceModel(files.right),
      tokenizer: readHuggingFaceTokenizer(files.right),
    }),
    inDirectory(directory),
    chain(({ model, tokenizer }) =>
      pipe(
        parseModelConfig(model.config),
        prefixPaths(`${joinPath(directory, HUGGING_FACE_FILES.config)}: `),
        map((config) => ({ config, tensors: widenTensors(model.tensors), tokenizer })),
      ),
    ),
  );
}

/** Reads the files of a model; packed weights only if there are no plain weights. */
async function readModelFiles(storage: RunStorage, directory: string): Promise<FileMap> {
  const files = await readDirectory(storage, directory, (name) => FILE_NAMES.includes(name));
  const packed = joinPath(directory, PACKED_WEIGHTS);
  if (files.has(HUGGING_FACE_FILES.weights) || (await storage.kind(packed)) !== "file")
    return files;
  return new Map([...files, [PACKED_WEIGHTS, await storage.read(packed)]]);
}

/** Unpacks packed weights to model.safetensors. The packed file may have that name too. */
function unpackedFiles(directory: string, files: FileMap): Either<readonly Problem[], FileMap> {
  const name = files.has(HUGGING_FACE_FILES.weights) ? HUGGING_FACE_FILES.weights : PACKED_WEIGHTS;
  const bytes = files.get(name);
  if (bytes === undefined || (name !== PACKED_WEIGHTS && !hasManifest(bytes))) return right(files);
  const opened = openCheckpointFile({
    name: joinPath(directory, name),
    size: bytes.length,
    read: (begin, end) => bytes.slice(begin, end),
    close: () => {},
  });
  if (isLeft(opened)) return opened;
  const { entries, read } = opened.right;
  try {
    const weights = writeSafetensors(new Map(entries.map((entry) => [entry.name, read(entry)])));
    return right(new Map([...files, [HUGGING_FACE_FILES.weights, weights]]));
  } catch (error) {
    if (error instanceof InputError) return left(error.problems);
    throw error;
  }
}

function hasManifest(bytes: Uint8Array): boolean {
  const header = parseSafetensorsHeader(bytes, bytes.length);
  return isRight(header) && PACKED_METADATA in header.right.metadata;
}

/** Saves a model so that transformers' `from_pretrained` loads it; tensors are written as F32. */
export async function saveModelDirectory(
  storage: RunStorage,
  directory: string,
  model: SavedModel,
): Promise<void> {
  const tensors = new Map(
    [...model.tensors].map(([name, { shape, data }]) => [
      name,
      tensorFromFloat32("F32", shape, data),
    ]),
  );
  await writeDirectory(storage, directory, writeHuggingFaceDirectory({ ...model, tensors }));
}
