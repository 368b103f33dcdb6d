/**
 * Copies of checkpoints with some tensors changed: the same files with the same headers, or a file of safetensors for a
 * state dict of PyTorch, written tensor by tensor to a temporary name beside their place and renamed there when
 * everything is on disk.
 */
import {
  closeSync,
  cpSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
} from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import type { Checkpoint, CheckpointEntry } from "../checkpoint/checkpoint.ts";
import { InputError } from "../core/either.ts";
import { HUGGING_FACE_FILES } from "../io/hugging-face.ts";
import { layOutSafetensors, type StoredTensor, type TensorSize } from "../io/safetensors.ts";
import { kindOfPath, namingFile, writeAll } from "./files.ts";

/** What {@link copyCheckpoint} is to write, and where. */
export interface CheckpointCopy {
  /** What was opened. */
  readonly checkpoint: Checkpoint;
  /** The path that the user gave: a file, an index or a directory, all of whose files are copied. */
  readonly from: string;
  /** Nothing may be there: a file's path for a file, a directory's for the others. */
  readonly to: string;
  /** The bytes that a tensor is to have, as many as it has: its own, which may be changed in place, or others. */
  readonly change: (entry: CheckpointEntry, tensor: StoredTensor) => Uint8Array;
  /** Awaited between tensors, so that a program can do other things; where it rejects, nothing is left. */
  readonly turn?: () => Promise<void>;
}

/** Files beside a checkpoint that hold its weights once more, in any folder: a copy of them would be of other weights. */
const OTHER_WEIGHTS = new RegExp(
  `^(${[
    "pytorch_model.*\\.(bin|bin\\.index\\.json)",
    "openvino_model.*\\.(bin|xml)",
    ".*\\.ckpt(\\.(index|meta|data-.*))?",
    ".*\\.(h5|msgpack|onnx|onnx_data|tflite|ot|gguf|pth)",
  ].join("|")})$`,
);

/** Why a copy cannot be made at a path, before anything is read. */
export function checkCopyTarget(from: string, to: string): void {
  const refuse = (expected: string, got: string): never => {
    throw new InputError([{ path: to, expected, got }]);
  };
  if (existsSync(to)) refuse("a path where nothing is yet", "one that exists");
  if (!existsSync(dirname(resolve(to)))) refuse("a path in a directory that exists", "none");
  const inside = relative(resolve(from), resolve(to));
  if (inside === "" || !inside.startsWith(".."))
    refuse("a path outside of what is copied", `one in ${from}`);
}

/** A file of a copy, and how its bytes come about. */
export interface CopiedFile {
  readonly name: string;
  readonly write: (descriptor: number) => Promise<void>;
}

/** The files of a copy, and what of the original they stand for. */
export interface CopiedFiles {
  readonly files: readonly CopiedFile[];
  /** Names in the original's directory that are not copied beside them. */
  readonly replaced: ReadonlySet<string>;
  /** Whether an index goes with the files, so that they need a directory. */
  readonly index: string | null;
}

/** Writes the tensors of a file in the order in which their bytes follow the header. */
function tensorFile(
  { checkpoint, change, turn }: CheckpointCopy,
  name: string,
  header: () => Uint8Array,
  entries: readonly CheckpointEntry[],
): CopiedFile {
  const write = async (descriptor: number): Promise<void> => {
    writeAll(descriptor, header());
    for (const entry of entries) {
      await turn?.();
      const tensor = checkpoint.read(entry);
      const { length } = tensor.bytes;
      const bytes = change(entry, tensor);
      if (bytes.length !== length)
        throw new RangeError(`${entry.name}: expected ${length} bytes, got ${bytes.length}`);
      writeAll(descriptor, bytes);
    }
  };
  return { name, write };
}

/** The files of a copy: those of a checkpoint in safetensors, or one for a checkpoint in another form. */
function copiedFiles(copy: CheckpointCopy): CopiedFiles {
  const { layout, files, entries, index } = copy.checkpoint;
  const replaced = new Set(files.map(({ name }) => name));
  // The index of state dicts in several files goes with them; that of shards is copied.
  if (index === null) replaced.add(basename(copy.checkpoint.path));
  if (layout === "file" || layout === "sharded") {
    const own = files.map((file) => {
      const inFile = entries.filter((entry) => entry.file === file.name);
      return tensorFile(copy, file.name, () => copy.checkpoint.readHeader(file), inFile);
    });
    return { files: own, replaced, index };
  }
  const sizes = entries.map(({ name, dtype, shape, begin, end }): readonly [string, TensorSize] => [
    name,
    { dtype, shape, byteLength: end - begin },
  ]);
  // What transformers asks of a file before it loads it; a packed one has it where the plain one had.
  const metadata = { ...(layout === "torch" ? { format: "pt" } : {}), ...files[0]?.metadata };
  const { header, order } = layOutSafetensors(new Map(sizes), metadata);
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const ordered = order.flatMap((name) => byName.get(name) ?? []);
  const file = tensorFile(copy, HUGGING_FACE_FILES.weights, () => header, ordered);
  return { files: [file], replaced, index: null };
}

async function writeCopied({ write }: CopiedFile, path: string): Promise<void> {
  const descriptor = openSync(path, "wx");
  try {
    await write(descriptor);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Makes the entries of a directory durable. */
function syncDirectory(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Whether a file holds weights once more, or names such files; `index` is the one that goes with the copy. */
function isOtherWeights(name: string, index: string | null): boolean {
  if (OTHER_WEIGHTS.test(basename(name))) return true;
  // In a folder they may be another module's, which nothing here replaces, and no loader prefers them.
  const isOwn = index !== null && basename(index) === name;
  return !isOwn && dirname(name) === "." && /\.safetensors(\.index\.json)?$/.test(name);
}

/** Copies everything of a directory but the checkpoint's files and other files of weights. */
function copyOtherFiles(
  from: string,
  to: string,
  written: ReadonlySet<string>,
  index: string | null,
): readonly string[] {
  const leftOut: string[] = [];
  cpSync(from, to, {
    recursive: true,
    // Caches of downloads have links for files.
    dereference: true,
    filter: (source) => {
      const name = relative(from, source);
      if (written.has(name)) return false;
      if (!isOtherWeights(name, index)) return true;
      leftOut.push(name);
      return false;
    },
  });
  return leftOut;
}

/**
 * Writes a copy of a checkpoint, complete or not at all.
 *
 * @returns names of files that were not copied, because they hold weights of the original
 * @throws InputError where something is at `to` already, the file system's error, or what `turn`
 *   rejects with; the temporary files are then removed
 *
 * @example
 * ```ts
 * import { mkdtempSync, readFileSync } from "node:fs";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import { tensorFromFloat32, writeSafetensors } from "espalier/io";
 * import { copyCheckpoint, openCheckpointOrThrow, writeFileAtomically } from "espalier/node";
 *
 * const directory = mkdtempSync(join(tmpdir(), "espalier-"));
 * const [from, to] = [join(directory, "a.safetensors"), join(directory, "b.safetensors")];
 * const weight = tensorFromFloat32("F32", [2], new Float32Array([1, 2]));
 * writeFileAtomically(from, writeSafetensors(new Map([["weight", weight]])));
 * const checkpoint = await openCheckpointOrThrow(from);
 * await copyCheckpoint({ checkpoint, from, to, change: (_, { bytes }) => bytes.fill(0) });
 * checkpoint.close();
 * if (readFileSync(to).at(-1) !== 0) throw new Error("expected zeros");
 * ```
 */
export async function copyCheckpoint(copy: CheckpointCopy): Promise<readonly string[]> {
  return writeCopy(copy.from, copy.to, copiedFiles(copy));
}

/**
 * Writes files in a copy's place, complete or not at all: into a directory with all other files of `from` where that
 * is a directory, or beside their index where there is one, else the only file itself.
 *
 * @returns names of files that were not copied, because they hold weights of the original
 */
export async function writeCopy(
  from: string,
  to: string,
  { files, replaced, index }: CopiedFiles,
): Promise<readonly string[]> {
  checkCopyTarget(from, to);
  const temporary = join(dirname(resolve(to)), `.${basename(to)}.${process.pid}.tmp`);
  rmSync(temporary, { recursive: true, force: true });
  try {
    let leftOut: readonly string[] = [];
    const [only] = files;
    const isDirectory = (await kindOfPath(from)) === "directory";
    if (!isDirectory && index === null) {
      if (only !== undefined) await writeCopied(only, temporary);
    } else {
      mkdirSync(temporary);
      if (isDirectory) leftOut = copyOtherFiles(from, temporary, replaced, index);
      else if (index !== null) cpSync(index, join(temporary, basename(index)));
      for (const file of files) await writeCopied(file, join(temporary, file.name));
      syncDirectory(temporary);
    }
    checkCopyTarget(from, to);
    renameSync(temporary, to);
    syncDirectory(dirname(resolve(to)));
    return leftOut;
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw namingFile(to, error);
  }
}
