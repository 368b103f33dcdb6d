/** Copies checkpoints and changes some tensors. Only a few tensors are in memory at a time. */
import { checkBytes } from "../core/checks.ts";
import { inLanes } from "../core/lanes.ts";
import { HUGGING_FACE_FILES } from "../io/hugging-face.ts";
import { layOutSafetensors, type StoredTensor, type TensorSize } from "../io/safetensors.ts";
import type { Checkpoint, CheckpointEntry } from "./checkpoint.ts";

export interface CopiedFile {
  readonly name: string;
  /**
   * Passes the bytes of the file to `put` piece by piece, with each piece's position in the file.
   *
   * @param descriptor the number of the open file, with which other threads of the process can write pieces
   */
  readonly write: (put: PutBytes, descriptor: number) => Promise<void>;
}

/** Writes bytes at a position. */
export type PutBytes = (bytes: Uint8Array, position: number) => void;

/** The files of a copy, and the original files that they replace. */
interface CopiedFiles {
  readonly files: readonly CopiedFile[];
  /** Names of files in the original's directory that are not copied. */
  readonly replaced: readonly string[];
  /** The path of the index to copy along with the files; null for a single file. */
  readonly index: string | null;
}

/**
 * Writes either all files of a copy or none, and copies the other files of the original's directory.
 *
 * @returns names of files that were not copied because they hold the original weights
 */
export type CopySink = (files: CopiedFiles) => Promise<readonly string[]>;

/** A checkpoint to copy, and how its tensors change. */
export interface TensorChanges {
  readonly checkpoint: Checkpoint;
  /** Returns the new bytes of a tensor, which must have the same length. May overwrite the tensor in place. */
  readonly change: (entry: CheckpointEntry, tensor: StoredTensor) => Uint8Array;
  /** Awaited before each tensor, to let other work run. If it rejects, the copy stops and leaves no output. */
  readonly turn?: (() => Promise<void>) | undefined;
}

/** The place of a tensor in an open file: the file's descriptor, and the position of the tensor's first byte. */
export interface TensorPlace {
  readonly descriptor: number;
  readonly position: number;
}

/** A checkpoint to copy, and a function that writes the copy's tensors. */
export interface TensorWrites {
  readonly checkpoint: Checkpoint;
  /**
   * Writes the new bytes of a tensor, the same number as before, in another thread or with `put`. Positions are
   * relative to `place`.
   */
  readonly write: (
    entry: CheckpointEntry,
    place: TensorPlace,
    put: PutBytes,
  ) => void | Promise<void>;
  /** The maximum number of tensors to write at once. */
  readonly atOnce: number;
  /** Awaited before each tensor. If it rejects, the copy stops and leaves no output. */
  readonly turn?: (() => Promise<void>) | undefined;
}

function tensorFile(
  { write, atOnce, turn }: TensorWrites,
  name: string,
  header: () => Uint8Array,
  entries: readonly CheckpointEntry[],
): CopiedFile {
  return {
    name,
    write: async (put, descriptor) => {
      const begin = header();
      put(begin, 0);
      let end = begin.length;
      const positions = entries.map((entry) => {
        end += entry.end - entry.begin;
        return end - (entry.end - entry.begin);
      });
      await inLanes(entries, atOnce, async (entry, i) => {
        await turn?.();
        const position = positions[i] ?? 0;
        await write(entry, { descriptor, position }, (bytes, at) => put(bytes, position + at));
      });
    },
  };
}

/** Returns the names of a checkpoint's files, and of its index if it has one. */
export function fileNames({ files, path }: Checkpoint): readonly string[] {
  const last = path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
  return [...files.map(({ name }) => name), last];
}

/**
 * Plans the files of a copy, like {@link filesOf}. When the files are written, tensors are read and changed one at a
 * time.
 */
export function copiedFiles({ checkpoint, change, turn }: TensorChanges): CopiedFiles {
  const write: TensorWrites["write"] = (entry, _, put) => {
    const length = entry.end - entry.begin;
    const bytes = change(entry, checkpoint.read(entry));
    checkBytes("the result of change", bytes);
    if (bytes.length !== length)
      throw new RangeError(`${entry.name}: expected ${length} bytes, got ${bytes.length}`);
    put(bytes, 0);
  };
  return filesOf({ checkpoint, write, atOnce: 1, turn });
}

/**
 * The metadata that a safetensors copy of a PyTorch file needs. transformers refuses files without a `format`. As in
 * safetensors' `save_model`, each other name of a shared tensor is a key whose value is the stored name.
 */
export function addedMetadata({ layout, tied }: Checkpoint): Readonly<Record<string, string>> {
  return layout === "torch" ? { ...Object.fromEntries(tied), format: "pt" } : {};
}

/** Plans the files of a copy: the original's files for plain safetensors, a single file for all other formats. */
export function filesOf(copy: TensorWrites): CopiedFiles {
  const { checkpoint } = copy;
  const { layout, files, entries, index } = checkpoint;
  if (layout === "file" || layout === "sharded") {
    const own = files.map((file) => {
      const inFile = entries.filter((entry) => entry.file === file.name);
      return tensorFile(copy, file.name, () => checkpoint.readHeader(file), inFile);
    });
    // The shard index stays valid, so it is copied.
    return { files: own, replaced: files.map(({ name }) => name), index };
  }
  const sizes = entries.map(({ name, dtype, shape, begin, end }): readonly [string, TensorSize] => [
    name,
    { dtype, shape, byteLength: end - begin },
  ]);
  const metadata = { ...addedMetadata(checkpoint), ...files[0]?.metadata };
  const { header, order } = layOutSafetensors(new Map(sizes), metadata);
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const ordered = order.flatMap((name) => byName.get(name) ?? []);
  const file = tensorFile(copy, HUGGING_FACE_FILES.weights, () => header, ordered);
  return { files: [file], replaced: fileNames(checkpoint), index: null };
}
