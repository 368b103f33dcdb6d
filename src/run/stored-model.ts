/** A stored model: the configuration, the tokenizer, and the tensors that are parameters of the model. */

import { pipe } from "fp-ts/function";
import type { Checkpoint, CheckpointEntry } from "../checkpoint/checkpoint.ts";
import { isFloatingPoint } from "../checkpoint/zero-pruned.ts";
import {
  allOf,
  chain,
  type Either,
  map,
  type Problem,
  prefixPaths,
  unlessProblems,
} from "../core/either.ts";
import type { ModelOf } from "../experiment/starting-model.ts";
import { HUGGING_FACE_FILES, readHuggingFaceConfig } from "../io/hugging-face.ts";
import { canonicalNames } from "../io/parameter-names.ts";
import { asFloat32 } from "../io/safetensors.ts";
import type { Tokenizer } from "../io/tokenizer.ts";
import { type ModelConfig, parseModelConfig } from "../model/config.ts";
import { type NamedValues, parameterList } from "../model/parameters.ts";
import type { StoredValues } from "../sparse/classifier.ts";
import { type FileMap, inDirectory, joinPath } from "./storage.ts";

/** A model with open files, from which tensors are read one at a time. */
export interface OpenModel extends ModelOf<CheckpointEntry> {
  /** Reads a tensor as float32, which may share the storage's bytes. @throws InputError for a damaged packed tensor, or an error from the storage */
  readonly read: (entry: CheckpointEntry) => NamedValues;
  /** Like `read`, but with the stored form of a tensor in eight bits; its floats are computed when they are read. */
  readonly readStored: (entry: CheckpointEntry) => StoredValues;
  readonly close: () => void;
}

/** Joins what was read of a model. If there are problems, returns all of them. */
export function storedModel(
  directory: string,
  files: FileMap,
  opened: Either<readonly Problem[], Checkpoint>,
  tokenizer: Either<readonly Problem[], Tokenizer>,
): Either<readonly Problem[], OpenModel> {
  return pipe(
    allOf({ config: readConfig(directory, files), checkpoint: opened, tokenizer }),
    chain(({ config, checkpoint, tokenizer }) =>
      pipe(
        nameTensors(config, checkpoint),
        map((named) => ({
          ...named,
          config,
          tokenizer,
          weights: checkpoint.path,
          read: (entry: CheckpointEntry) => readFloats(checkpoint, entry),
          readStored: (entry: CheckpointEntry) => readStored(checkpoint, entry),
          close: checkpoint.close,
        })),
      ),
    ),
  );
}

function readFloats(checkpoint: Checkpoint, entry: CheckpointEntry): NamedValues {
  return { shape: entry.shape, data: asFloat32(checkpoint.read(entry)) };
}

function readStored(checkpoint: Checkpoint, entry: CheckpointEntry): StoredValues {
  const int8 = checkpoint.readInt8?.(entry);
  if (int8 === undefined) return readFloats(checkpoint, entry);
  return {
    shape: entry.shape,
    int8,
    get data() {
      return readFloats(checkpoint, entry).data;
    },
  };
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
