/**
 * Checkpoints on disk whose tensors are read one at a time: a file of safetensors, several with an index, or a
 * directory that has either. Memory stays bounded by the largest tensor.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type Either, getOrThrow, type Problem } from "../core/either.ts";
import { HUGGING_FACE_FILES } from "../io/hugging-face.ts";
import type { StoredTensor } from "../io/safetensors.ts";
import {
  LENGTH_BYTES,
  parseSafetensorsHeader,
  type SafetensorsEntry,
  type SafetensorsHeader,
  safetensorsHeaderEnd,
} from "../io/safetensors-header.ts";
import { parseShardIndex, SHARD_INDEX, shardProblems } from "../io/shard-index.ts";
import { kindOfPath, readBytes } from "./files.ts";

/** A tensor of a checkpoint, and where it lies. */
export interface CheckpointEntry extends SafetensorsEntry {
  readonly name: string;
  /** The file that has it, without its directory. */
  readonly file: string;
}

/** One file of a checkpoint. */
export interface CheckpointFile {
  readonly name: string;
  readonly bytes: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/** An open checkpoint; {@link Checkpoint.close} closes its files. */
export interface Checkpoint {
  readonly path: string;
  readonly layout: "file" | "sharded";
  readonly files: readonly CheckpointFile[];
  /** In the order of the files and in them. */
  readonly entries: readonly CheckpointEntry[];
  /** Reads a tensor from disk. @throws the file system's error */
  read(entry: CheckpointEntry): StoredTensor;
  close(): void;
}

type Opened<T> = Either<readonly Problem[], T>;

/** An open file with its header. */
interface OpenFile {
  readonly name: string;
  readonly descriptor: number;
  readonly bytes: number;
  readonly header: SafetensorsHeader;
}

function left(path: string, expected: string, got: string): Opened<never> {
  return { _tag: "Left", left: [{ path, expected, got }] };
}

/** Reads bytes of a file, all of them. */
function readAt(descriptor: number, begin: number, end: number): Uint8Array {
  const bytes = new Uint8Array(end - begin);
  for (let done = 0; done < bytes.length; ) {
    const read = readSync(descriptor, bytes, done, bytes.length - done, begin + done);
    if (read === 0) throw new RangeError(`file: expected ${end} bytes, got ${begin + done}`);
    done += read;
  }
  return bytes;
}

/** Opens a file and reads its header; closed again where that is wrong. */
function openFile(directory: string, name: string): Opened<OpenFile> {
  const path = join(directory, name);
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (error) {
    return left(path, "a file that can be read", error instanceof Error ? error.message : "none");
  }
  const result = readHeader(path, descriptor);
  if (result._tag === "Left") {
    closeSync(descriptor);
    return result;
  }
  const bytes = fstatSync(descriptor).size;
  return { _tag: "Right", right: { name, descriptor, bytes, header: result.right } };
}

function readHeader(path: string, descriptor: number): Opened<SafetensorsHeader> {
  const { size } = fstatSync(descriptor);
  const end = safetensorsHeaderEnd(readAt(descriptor, 0, Math.min(LENGTH_BYTES, size)), size, path);
  if (end._tag === "Left") return end;
  return parseSafetensorsHeader(readAt(descriptor, 0, end.right), size, { source: path });
}

function checkpointOf(path: string, layout: Checkpoint["layout"], open: readonly OpenFile[]) {
  const descriptors = new Map(open.map(({ name, descriptor }) => [name, descriptor]));
  const checkpoint: Checkpoint = {
    path,
    layout,
    files: open.map(({ name, bytes, header: { metadata } }) => ({ name, bytes, metadata })),
    entries: open.flatMap(({ name: file, header }) =>
      [...header.entries].map(([name, entry]) => ({ ...entry, name, file })),
    ),
    read({ file, begin, end, dtype, shape }) {
      const descriptor = descriptors.get(file);
      if (descriptor === undefined)
        throw new RangeError(`file: expected one of the checkpoint, got ${file}`);
      return { dtype, shape, bytes: readAt(descriptor, begin, end) };
    },
    close: () => {
      for (const descriptor of descriptors.values()) closeSync(descriptor);
      descriptors.clear();
    },
  };
  return checkpoint;
}

/** Opens the files that an index names, and holds them to it. */
async function openSharded(path: string): Promise<Opened<Checkpoint>> {
  const index = parseShardIndex(path, await readBytes(path));
  if (index._tag === "Left") return index;
  const open: OpenFile[] = [];
  const problems: Problem[] = [];
  for (const name of [...new Set(index.right.files.values())].sort()) {
    const result = openFile(dirname(path), name);
    if (result._tag === "Right") open.push(result.right);
    else problems.push(...result.left);
  }
  const present = new Map(
    open.map(({ name, header }) => [name, new Set(header.entries.keys())] as const),
  );
  problems.push(...shardProblems(path, index.right, present));
  const checkpoint = checkpointOf(path, "sharded", open);
  if (problems.length === 0) return { _tag: "Right", right: checkpoint };
  checkpoint.close();
  return { _tag: "Left", left: problems };
}

/**
 * Opens a checkpoint: a file of safetensors, an index (`*.index.json`), or a directory with
 * `model.safetensors.index.json` or `model.safetensors`.
 *
 * @example
 * ```ts
 * import { mkdtempSync } from "node:fs";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import { tensorFromFloat32, writeSafetensors } from "espalier/io";
 * import { openCheckpoint, openCheckpointOrThrow, writeFileAtomically } from "espalier/node";
 *
 * const path = join(mkdtempSync(join(tmpdir(), "espalier-")), "model.safetensors");
 * const weight = tensorFromFloat32("F32", [2], new Float32Array([1, 2]));
 * writeFileAtomically(path, writeSafetensors(new Map([["weight", weight]])));
 * const checkpoint = await openCheckpointOrThrow(path);
 * const [entry] = checkpoint.entries;
 * if (entry === undefined || checkpoint.read(entry).bytes.length !== 8) throw new Error("expected 8 bytes");
 * checkpoint.close();
 * if ((await openCheckpoint("no/such/file"))._tag === "Right") throw new Error("expected a problem");
 * ```
 */
export async function openCheckpoint(path: string): Promise<Opened<Checkpoint>> {
  const kind = await kindOfPath(path);
  if (kind === "nothing") return left(path, "a checkpoint", "nothing there");
  if (kind === "directory") {
    const index = join(path, SHARD_INDEX);
    const file = join(path, HUGGING_FACE_FILES.weights);
    if ((await kindOfPath(index)) === "file") return openSharded(index);
    if ((await kindOfPath(file)) === "file") return openCheckpoint(file);
    const expected = `${SHARD_INDEX} or ${HUGGING_FACE_FILES.weights} in the directory`;
    return left(path, expected, "neither");
  }
  if (path.endsWith(".index.json")) return openSharded(path);
  const opened = openFile(dirname(path), basename(path));
  if (opened._tag === "Left") return opened;
  return { _tag: "Right", right: checkpointOf(path, "file", [opened.right]) };
}

/** {@link openCheckpoint} that throws an `InputError` with every problem. */
export async function openCheckpointOrThrow(path: string): Promise<Checkpoint> {
  return getOrThrow(await openCheckpoint(path));
}
