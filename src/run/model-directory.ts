/** Reads and saves models in Hugging Face's directory layout. All commands read models with these functions. */

import { pipe } from "fp-ts/function";
import {
  type Either,
  InputError,
  isLeft,
  isRight,
  left,
  map,
  type Problem,
  right,
} from "../core/either.ts";
import type { LoadedModel } from "../experiment/starting-model.ts";
import {
  HUGGING_FACE_FILES,
  readHuggingFaceTokenizer,
  type TokenizerKind,
} from "../io/hugging-face.ts";
import { writeHuggingFaceDirectory } from "../io/hugging-face-writer.ts";
import { tensorFromFloat32 } from "../io/safetensors.ts";
import type { Tokenizer } from "../io/tokenizer.ts";
import type { NamedValues } from "../model/parameters.ts";
import {
  inDirectory,
  kindProblem,
  type RunStorage,
  readDirectory,
  writeDirectory,
} from "./storage.ts";
import { openStoredCheckpoint } from "./stored-checkpoint.ts";
import { type OpenModel, storedModel } from "./stored-model.ts";

/** The contents of a model directory to write. */
export interface SavedModel {
  /** The contents of config.json. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: ReadonlyMap<string, NamedValues>;
  readonly tokenizer: Tokenizer;
}

const { weights: WEIGHTS, ...SMALL_FILES } = HUGGING_FACE_FILES;
const SMALL_FILE_NAMES: readonly string[] = Object.values(SMALL_FILES);

/**
 * Reads config.json and the tokenizer in a directory, and opens the weights in any supported checkpoint format. If
 * there are problems, returns all of them. `label` names the option in the problem for a missing directory, and `kind`
 * chooses the tokenizer if there are two.
 */
export async function openModelDirectory(
  storage: RunStorage,
  directory: string,
  label: string,
  kind?: TokenizerKind,
): Promise<Either<readonly Problem[], OpenModel>> {
  const missing = await kindProblem(storage, "directory", label, directory);
  if (missing !== undefined) return left([missing]);
  const files = await readDirectory(storage, directory, (name) => SMALL_FILE_NAMES.includes(name));
  const opened = await (storage.openCheckpoint?.(directory) ??
    openStoredCheckpoint(storage, directory));
  const tokenizer = pipe(readHuggingFaceTokenizer(files, kind), inDirectory(directory));
  const model = storedModel(directory, files, opened, tokenizer);
  if (isLeft(model) && isRight(opened)) opened.right.close();
  return model;
}

/** Reads a model with the values of all its tensors. Otherwise like {@link openModelDirectory}. */
export async function readModelDirectory(
  storage: RunStorage,
  directory: string,
  label: string,
  kind?: TokenizerKind,
): Promise<Either<readonly Problem[], LoadedModel>> {
  const opened = await openModelDirectory(storage, directory, label, kind);
  if (isLeft(opened)) return opened;
  const { read, readStored: _, close, tensors, ...model } = opened.right;
  try {
    return pipe(
      readTensors({ read }, tensors),
      map((values) => ({ ...model, tensors: values })),
    );
  } finally {
    close();
  }
}

/** Reads the values of tensors of an open model. */
export function readTensors(
  { read }: Pick<OpenModel, "read">,
  tensors: OpenModel["tensors"],
): Either<readonly Problem[], LoadedModel["tensors"]> {
  try {
    return right(new Map([...tensors].map(([name, entry]) => [name, read(entry)] as const)));
  } catch (error) {
    if (error instanceof InputError) return left(error.problems);
    throw error;
  }
}

/** Saves a model such that transformers' `from_pretrained` can load it. Tensors are written as F32. */
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
