/** Reads and saves models in Hugging Face's directory layout. All commands read models with these functions. */

import { pipe } from "fp-ts/function";
import type { Checkpoint, CheckpointEntry } from "../checkpoint/checkpoint.ts";
import { isFloatingPoint } from "../checkpoint/zero-pruned.ts";
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
  unlessProblems,
} from "../core/either.ts";
import type { LoadedModel, ModelOf } from "../experiment/starting-model.ts";
import {
  HUGGING_FACE_FILES,
  readHuggingFaceConfig,
  readHuggingFaceTokenizer,
  type TokenizerKind,
} from "../io/hugging-face.ts";
import { writeHuggingFaceDirectory } from "../io/hugging-face-writer.ts";
import { canonicalNames } from "../io/parameter-names.ts";
import { asFloat32, tensorFromFloat32 } from "../io/safetensors.ts";
import type { Tokenizer } from "../io/tokenizer.ts";
import { type ModelConfig, parseModelConfig } from "../model/config.ts";
import { type NamedValues, parameterList } from "../model/parameters.ts";
import {
  type FileMap,
  inDirectory,
  joinPath,
  kindProblem,
  type RunStorage,
  readDirectory,
  writeDirectory,
} from "./storage.ts";
import { openStoredCheckpoint } from "./stored-checkpoint.ts";

/** The contents of a model directory to write. */
export interface SavedModel {
  /** The contents of config.json. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: ReadonlyMap<string, NamedValues>;
  readonly tokenizer: Tokenizer;
}

/** A model with open files, from which tensors are read one at a time. */
export interface OpenModel extends ModelOf<CheckpointEntry> {
  /** Reads a tensor as float32, which may share the storage's bytes. @throws InputError for a damaged packed tensor, or an error from the storage */
  readonly read: (entry: CheckpointEntry) => NamedValues;
  readonly close: () => void;
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
  const model = pipe(
    allOf({
      config: readConfig(directory, files),
      checkpoint: opened,
      tokenizer: pipe(readHuggingFaceTokenizer(files, kind), inDirectory(directory)),
    }),
    chain(({ config, checkpoint, tokenizer }) =>
      pipe(
        nameTensors(config, checkpoint),
        map((named) => ({
          ...named,
          config,
          tokenizer,
          weights: checkpoint.path,
          read: (entry: CheckpointEntry) => {
            return { shape: entry.shape, data: asFloat32(checkpoint.read(entry)) };
          },
          close: checkpoint.close,
        })),
      ),
    ),
  );
  if (isLeft(model) && isRight(opened)) opened.right.close();
  return model;
}

function readConfig(directory: string, files: FileMap): Either<readonly Problem[], ModelConfig> {
  return pipe(
    readHuggingFaceConfig(files),
    inDirectory(directory),
    chain((json) =>
      pipe(
        parseModelConfig(json),
        prefixPaths(`${joinPath(directory, HUGGING_FACE_FILES.config)}: `),
      ),
    ),
  );
}

/** Splits a checkpoint into tensors that are parameters of a model, by name in transformers, and unused names. */
function nameTensors(
  config: ModelConfig,
  { path, entries, tied }: Checkpoint,
): Either<readonly Problem[], Pick<OpenModel, "tensors" | "unused">> {
  const stored = new Map(entries.map((entry) => [entry.name, { stored: entry.name, entry }]));
  for (const [alias, name] of tied) {
    const first = stored.get(name);
    if (first !== undefined) stored.set(alias, { stored: alias, entry: first.entry });
  }
  return pipe(
    canonicalNames(config.modelType, stored),
    prefixPaths(`${path}: `),
    chain((named) => {
      const names = parameterList(config).map(({ name }) => name);
      const tensors = new Map(
        names.flatMap((name) => {
          const found = named.get(name);
          return found === undefined ? [] : [[name, found.entry] as const];
        }),
      );
      const problems = [...tensors].flatMap(([name, { dtype }]): readonly Problem[] => {
        if (isFloatingPoint(dtype)) return [];
        return [{ path: `${path}: ${name}`, expected: "floating-point numbers", got: dtype }];
      });
      const unused = [...named].flatMap(([name, { stored }]) =>
        tensors.has(name) ? [] : [stored],
      );
      return unlessProblems(problems, { tensors, unused });
    }),
  );
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
  const { read, close, tensors, ...model } = opened.right;
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
