/**
 * Checkpoints on disk whose tensors are read one at a time: a file of safetensors, several with an index, a file that
 * `torch.save` wrote, or a directory that has one of them. Memory stays bounded by the largest tensor.
 */
import { closeSync, fstatSync, openSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { PACKED_WEIGHTS, unpacking } from "../checkpoint/packed-checkpoint.ts";
import { PACKED_METADATA } from "../checkpoint/packed-manifest.ts";
import {
  type Either,
  getOrThrow,
  isLeft,
  isRight,
  left,
  type Problem,
  refuse,
  right,
} from "../core/either.ts";
import { HUGGING_FACE_FILES } from "../io/hugging-face.ts";
import {
  LENGTH_BYTES,
  parseSafetensorsHeader,
  type SafetensorsHeader,
  safetensorsHeaderEnd,
} from "../io/safetensors-header.ts";
import { parseShardIndex, SHARD_INDEX, shardProblems } from "../io/shard-index.ts";
import { kindOfPath, readAt, readBytes } from "./files.ts";
import { openTorchFile, openTorchShards, TORCH_SHARD_INDEX, TORCH_WEIGHTS } from "./torch-files.ts";

/** An open file with its header. */
interface OpenFile {
  readonly name: string;
  readonly descriptor: number;
  readonly bytes: number;
  readonly header: SafetensorsHeader;
  readonly dataBegin: number;
}

/** Opens a file and reads its header; closed again where that is wrong. */
function openFile(directory: string, name: string): Either<readonly Problem[], OpenFile> {
  const path = join(directory, name);
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (error) {
    return refuse(path, "a file that can be read", error instanceof Error ? error.message : "none");
  }
  const result = readHeader(path, descriptor);
  if (isLeft(result)) {
    closeSync(descriptor);
    return result;
  }
  const bytes = fstatSync(descriptor).size;
  return right({ name, descriptor, bytes, ...result.right });
}

function readHeader(
  path: string,
  descriptor: number,
): Either<readonly Problem[], Pick<OpenFile, "header" | "dataBegin">> {
  const { size } = fstatSync(descriptor);
  const end = safetensorsHeaderEnd(readAt(descriptor, 0, Math.min(LENGTH_BYTES, size)), size, path);
  if (isLeft(end)) return end;
  const prefix = readAt(descriptor, 0, end.right);
  const header = parseSafetensorsHeader(prefix, size, { source: path });
  if (isLeft(header)) return header;
  return right({ header: header.right, dataBegin: end.right });
}

function checkpointOf(path: string, index: string | null, open: readonly OpenFile[]): Checkpoint {
  const descriptors = new Map(open.map(({ name, descriptor }) => [name, descriptor]));
  const read = (file: string, begin: number, end: number): Uint8Array => {
    const descriptor = descriptors.get(file);
    if (descriptor === undefined)
      throw new RangeError(`file: expected one of the checkpoint, got ${file}`);
    return readAt(descriptor, begin, end);
  };
  const checkpoint: Checkpoint = {
    path,
    layout: index === null ? "file" : "sharded",
    index,
    tied: new Map(),
    files: open.map(({ name, bytes, dataBegin, header: { metadata } }) => ({
      ...{ name, bytes, dataBegin, metadata },
    })),
    entries: open.flatMap(({ name: file, header }) =>
      [...header.entries].map(([name, entry]) => ({ ...entry, name, file })),
    ),
    read: ({ file, begin, end, dtype, shape }) => ({
      ...{ dtype, shape },
      bytes: read(file, begin, end),
    }),
    readHeader: ({ name, dataBegin }) => read(name, 0, dataBegin),
    close: () => {
      for (const descriptor of descriptors.values()) closeSync(descriptor);
      descriptors.clear();
    },
  };
  return checkpoint;
}

/** Opens a single file, whichever format it is in. */
function openSingle(path: string): Either<readonly Problem[], Checkpoint> {
  const torch = openTorchFile(path);
  if (torch === null) {
    const opened = openFile(dirname(path), basename(path));
    if (isLeft(opened)) return opened;
    return unpacking(checkpointOf(path, null, [opened.right]));
  }
  return torch;
}

/** Opens the files that an index names, and holds them to it. */
async function openSharded(path: string): Promise<Either<readonly Problem[], Checkpoint>> {
  const index = parseShardIndex(path, await readBytes(path));
  if (isLeft(index)) return index;
  const open: OpenFile[] = [];
  const problems: Problem[] = [];
  for (const name of [...new Set(index.right.files.values())].sort()) {
    const result = openFile(dirname(path), name);
    if (isRight(result)) open.push(result.right);
    else for (const problem of result.left) problems.push(problem);
  }
  const present = new Map(
    open.map(({ name, header }) => [name, new Set(header.entries.keys())] as const),
  );
  for (const problem of shardProblems(path, index.right, present)) problems.push(problem);
  for (const { name, header } of open)
    if (PACKED_METADATA in header.metadata)
      problems.push({ path: name, expected: "a packed file without an index", got: path });
  const checkpoint = checkpointOf(path, path, open);
  if (problems.length === 0) return right(checkpoint);
  checkpoint.close();
  return left(problems);
}

/**
 * Opens a checkpoint: a file of safetensors or of `torch.save`, an index (`*.index.json`), or a directory with
 * `model.safetensors.index.json`, `model.safetensors`, `model.packed.safetensors` or `pytorch_model.bin`. Of a pickle only what dictionaries of
 * tensors need is read, and nothing executed.
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
export async function openCheckpoint(
  path: string,
): Promise<Either<readonly Problem[], Checkpoint>> {
  const kind = await kindOfPath(path);
  if (kind === "nothing") return refuse(path, "a checkpoint", "nothing there");
  if (kind === "directory") {
    const index = join(path, SHARD_INDEX);
    const file = join(path, HUGGING_FACE_FILES.weights);
    if ((await kindOfPath(index)) === "file") return openSharded(index);
    if ((await kindOfPath(file)) === "file") return openCheckpoint(file);
    const packed = join(path, PACKED_WEIGHTS);
    if ((await kindOfPath(packed)) === "file") return openCheckpoint(packed);
    const torch = join(path, TORCH_WEIGHTS);
    if ((await kindOfPath(torch)) === "file") return openCheckpoint(torch);
    const torchIndex = join(path, TORCH_SHARD_INDEX);
    if ((await kindOfPath(torchIndex)) === "file") return openTorchShards(torchIndex);
    const expected = `${SHARD_INDEX}, ${HUGGING_FACE_FILES.weights}, ${PACKED_WEIGHTS} or ${TORCH_WEIGHTS} in the directory`;
    return refuse(path, expected, "none of them");
  }
  if (path.endsWith(".bin.index.json")) return openTorchShards(path);
  if (path.endsWith(".index.json")) return openSharded(path);
  return openSingle(path);
}

/** {@link openCheckpoint} that throws an `InputError` with every problem. */
export async function openCheckpointOrThrow(path: string): Promise<Checkpoint> {
  return getOrThrow(await openCheckpoint(path));
}
