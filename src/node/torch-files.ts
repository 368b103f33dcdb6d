/** State dicts that `torch.save` wrote, in one file or in several with an index, as checkpoints. */
import { closeSync, fstatSync, openSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Checkpoint, CheckpointEntry } from "../checkpoint/checkpoint.ts";
import { type Either, isLeft, isRight, left, type Problem, right } from "../core/either.ts";
import type { ByteSource } from "../io/byte-source.ts";
import { DTYPES } from "../io/dtypes.ts";
import { parseShardIndex, shardProblems } from "../io/shard-index.ts";
import {
  isTorchFile,
  readTorchFile,
  type TorchTensor,
  tiedTensors,
  torchTensorBytes,
} from "../io/torch-checkpoint.ts";
import { readAt, readBytes } from "./files.ts";

/** What transformers called a file of weights before safetensors. */
export const TORCH_WEIGHTS: "pytorch_model.bin" = "pytorch_model.bin";

/** And the index of several. */
export const TORCH_SHARD_INDEX: "pytorch_model.bin.index.json" = "pytorch_model.bin.index.json";

/** A file of the system as bytes to read from. */
interface OpenSource {
  readonly descriptor: number;
  readonly source: ByteSource;
}

function openSource(path: string): Either<readonly Problem[], OpenSource> {
  try {
    const descriptor = openSync(path, "r");
    const source: ByteSource = {
      name: path,
      size: fstatSync(descriptor).size,
      read: (begin, end) => readAt(descriptor, begin, end),
    };
    return right({ descriptor, source });
  } catch (error) {
    const got = error instanceof Error ? error.message : "none";
    return left([{ path, expected: "a file that can be read", got }]);
  }
}

/** Where a tensor's first element lies, and as many bytes as it takes densely. */
function entryOf(
  file: string,
  { name, dtype, shape, offset, begin }: TorchTensor,
): CheckpointEntry {
  const size = DTYPES[dtype].bytes;
  const from = begin + offset * size;
  const count = shape.reduce((product, extent) => product * extent, 1);
  return { name, file, dtype, shape, begin: from, end: from + count * size };
}

function torchCheckpoint(
  path: string,
  { descriptor, source }: OpenSource,
): Either<readonly Problem[], Checkpoint> {
  const found = readTorchFile(source);
  if (isLeft(found)) {
    closeSync(descriptor);
    return found;
  }
  const tied = tiedTensors(found.right);
  const tensors = new Map(found.right.map((tensor) => [tensor.name, tensor]));
  const file = basename(path);
  const read: Checkpoint["read"] = ({ name, dtype, shape }) => {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new RangeError(`${path}: expected a tensor ${name}, got none`);
    return { dtype, shape, bytes: torchTensorBytes(source, tensor) };
  };
  const own = found.right.filter(({ name }) => !tied.has(name));
  const entries = own.map((tensor) => entryOf(file, tensor));
  const checkpoint: Checkpoint = {
    ...{ path, layout: "torch", index: null, entries, tied, read },
    files: [{ name: file, bytes: source.size, dataBegin: 0, metadata: {} }],
    readHeader: () => new Uint8Array(0),
    close: () => closeSync(descriptor),
  };
  return right(checkpoint);
}

/** Opens a state dict of PyTorch; null where the file is none, or cannot be read. */
export function openTorchFile(path: string): Either<readonly Problem[], Checkpoint> | null {
  const opened = openSource(path);
  if (isLeft(opened)) return null;
  if (isTorchFile(opened.right.source)) return torchCheckpoint(path, opened.right);
  closeSync(opened.right.descriptor);
  return null;
}

/** Opens the state dicts that an index names, and holds them to it. */
export async function openTorchShards(
  path: string,
): Promise<Either<readonly Problem[], Checkpoint>> {
  const index = parseShardIndex(path, await readBytes(path), "bin");
  if (isLeft(index)) return index;
  const shards = new Map<string, Checkpoint>();
  const problems: Problem[] = [];
  for (const name of [...new Set(index.right.files.values())].sort()) {
    const file = join(dirname(path), name);
    const opened = openSource(file);
    const shard = isLeft(opened) ? opened : torchCheckpoint(file, opened.right);
    if (isRight(shard)) shards.set(name, shard.right);
    else for (const problem of shard.left) problems.push(problem);
  }
  const all = [...shards.values()];
  const close = (): void => {
    for (const shard of all) shard.close();
  };
  const present = new Map(
    [...shards].map(([name, { entries, tied }]) => [
      name,
      new Set([...entries.map((entry) => entry.name), ...tied.keys()]),
    ]),
  );
  for (const problem of shardProblems(path, index.right, present)) problems.push(problem);
  if (problems.length > 0) {
    close();
    return left(problems);
  }
  const read: Checkpoint["read"] = (entry) => {
    const shard = shards.get(entry.file);
    if (shard === undefined)
      throw new RangeError(`${path}: expected a file of the index, got ${entry.file}`);
    return shard.read(entry);
  };
  return right({
    ...{ path, layout: "torch", index: null, read, close },
    files: all.flatMap(({ files }) => files),
    entries: all.flatMap(({ entries }) => entries),
    tied: new Map(all.flatMap(({ tied }) => [...tied])),
    readHeader: () => new Uint8Array(0),
  });
}
