/** Opens the checkpoint among the files that the visitor gave. Files are read by slices, when a tensor is needed. */
import type { Checkpoint } from "../../../../src/checkpoint/checkpoint.ts";
import {
  type CheckpointSource,
  openCheckpointFile,
  openShards,
} from "../../../../src/checkpoint/open.ts";
import { type SurveyedTensor, surveyCheckpoint } from "../../../../src/checkpoint/survey.ts";
import {
  type Either,
  getOrThrow,
  isLeft,
  type Problem,
  refuse,
  refuseInput,
  right,
} from "../../../../src/core/either.ts";
import { HUGGING_FACE_FILES } from "../../../../src/io/hugging-face.ts";
import { createMemoryStorage } from "../../../../src/run/memory-storage.ts";
import { readStatedModel, type StatedModel } from "../../../../src/run/model-evidence.ts";
import { findWeights } from "../../../../src/run/stored-checkpoint.ts";
import type { GivenFile } from "./protocol.ts";

/** The synchronous reader of workers, which the types of pages do not declare. */
declare const FileReaderSync: new () => { readAsArrayBuffer(blob: Blob): ArrayBuffer };

/** An open checkpoint with what its config.json states and the roles of its tensors. */
export interface GivenCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly stated: StatedModel;
  readonly survey: readonly SurveyedTensor[];
  /** Its config.json, if that was given. */
  readonly config: GivenFile | null;
  /** The index of its files, if it has one. */
  readonly index: GivenFile | null;
}

/** A file as a source that reads slices. */
export function blobSource({ path, content }: GivenFile): CheckpointSource {
  const reader = new FileReaderSync();
  return {
    name: path,
    size: content.size,
    read: (begin, end) => new Uint8Array(reader.readAsArrayBuffer(content.slice(begin, end))),
    close: () => {},
  };
}

const WEIGHTS = /\.(safetensors|bin|pt|pth|ckpt)$/;
const INDEX = /\.(safetensors|bin)\.index\.json$/;

/** Returns the path of the file to open: a checkpoint, or the index of several. */
async function weightsAmong(files: ReadonlyMap<string, GivenFile>): Promise<string> {
  const kind = async (path: string) => (files.has(path) ? ("file" as const) : ("nothing" as const));
  const found = await findWeights({ kind }, "");
  if (!isLeft(found)) return found.right;
  const names = [...files.keys()];
  const [index, ...otherIndices] = names.filter((name) => INDEX.test(name));
  if (index !== undefined && otherIndices.length === 0) return index;
  const weights = names.filter((name) => WEIGHTS.test(name));
  const [only = names[0], ...others] = weights.length > 0 ? weights : names;
  if (only === undefined) return refuseInput("files", "at least one file", "none");
  if (others.length === 0) return only;
  const expected = "one safetensors file, or several with model.safetensors.index.json beside them";
  return refuseInput("files", expected, [only, ...others].slice(0, 4).join(", "));
}

function open(
  files: ReadonlyMap<string, GivenFile>,
  path: string,
  index: Uint8Array | null,
): Either<readonly Problem[], Checkpoint> {
  const sourceAt = (name: string): Either<readonly Problem[], CheckpointSource> => {
    const file = files.get(name);
    return file === undefined ? refuse(name, "a file", "none") : right(blobSource(file));
  };
  if (index !== null) return openShards(path, index, sourceAt);
  const source = sourceAt(path);
  return isLeft(source) ? source : openCheckpointFile(source.right, path);
}

/** Opens the checkpoint among files. @throws InputError with every problem */
export async function openGiven(given: readonly GivenFile[]): Promise<GivenCheckpoint> {
  const files = new Map(given.map((file) => [file.path, file]));
  const bytesOf = async (path: string): Promise<Uint8Array | null> => {
    const file = files.get(path);
    return file === undefined ? null : new Uint8Array(await file.content.arrayBuffer());
  };
  const path = await weightsAmong(files);
  const checkpoint = getOrThrow(open(files, path, INDEX.test(path) ? await bytesOf(path) : null));
  const config = await bytesOf(HUGGING_FACE_FILES.config);
  const storage = createMemoryStorage(
    new Map(config === null ? [] : [[HUGGING_FACE_FILES.config, config]]),
  );
  const stated = getOrThrow(await readStatedModel(storage, path));
  return {
    checkpoint,
    stated,
    survey: surveyCheckpoint(checkpoint, stated.evidence),
    config: files.get(HUGGING_FACE_FILES.config) ?? null,
    index: INDEX.test(path) ? (files.get(path) ?? null) : null,
  };
}
