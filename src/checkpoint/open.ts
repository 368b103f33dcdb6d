/** Opens checkpoints from bytes: a safetensors file, a `torch.save` file, or several files with an index. */

import { pipe } from "fp-ts/function";
import { checkFunction, checkNumber, checkObject, checkString } from "../core/checks.ts";
import {
  chain,
  type Either,
  isLeft,
  isRight,
  left,
  map,
  type Problem,
  refuse,
  right,
} from "../core/either.ts";
import { CONTENT_BYTES, looksLike } from "../io/content.ts";
import { elementBytes } from "../io/dtypes.ts";
import { parseShardIndex, shardProblems } from "../io/shard-index.ts";
import {
  isTorchFile,
  readTorchFile,
  type TorchTensor,
  tiedTensors,
  torchTensorBytes,
} from "../io/torch-checkpoint.ts";
import { elementCount } from "../prune/layer.ts";
import type { Checkpoint, CheckpointEntry } from "./checkpoint.ts";
import { type CheckpointSource, openSafetensors } from "./open-safetensors.ts";
import { unpacking } from "./packed-checkpoint.ts";
import { PACKED_METADATA } from "./packed-manifest.ts";

/** Converts a tensor in a `torch.save` file to a checkpoint entry. */
function torchEntry(file: string, tensor: TorchTensor): CheckpointEntry {
  const { name, dtype, shape } = tensor;
  const size = elementBytes(dtype);
  const begin = tensor.begin + tensor.offset * size;
  return { name, file, dtype, shape, begin, end: begin + elementCount(shape) * size };
}

function openTorch(source: CheckpointSource, file: string): Either<readonly Problem[], Checkpoint> {
  const { name: path, size, close } = source;
  return pipe(
    readTorchFile(source),
    map((found): Checkpoint => {
      const tied = tiedTensors(found);
      const tensors = new Map(found.map((tensor) => [tensor.name, tensor]));
      return {
        path,
        layout: "torch",
        index: null,
        tied,
        files: [{ name: file, bytes: size, dataBegin: 0, metadata: {} }],
        entries: found
          .filter(({ name }) => !tied.has(name))
          .map((tensor) => torchEntry(file, tensor)),
        read: ({ name, dtype, shape }) => {
          const tensor = tensors.get(name);
          if (tensor === undefined)
            throw new RangeError(`${path}: expected a tensor ${name}, got none`);
          return { dtype, shape, bytes: torchTensorBytes(source, tensor) };
        },
        readHeader: () => new Uint8Array(0),
        close,
      };
    }),
  );
}

function openEither(
  source: CheckpointSource,
  file: string,
): Either<readonly Problem[], Checkpoint> {
  if (isTorchFile(source)) return openTorch(source, file);
  const other = looksLike(
    source.read(0, Math.min(CONTENT_BYTES, source.size)),
    "a safetensors file",
  );
  if (other !== undefined)
    return refuse(source.name, "a safetensors file or one that torch.save wrote", other);
  return pipe(openSafetensors(source, file), chain(unpacking));
}

export type { CheckpointSource };

/**
 * Opens one file in any supported format. A pickle is parsed only as dictionaries of tensors, and no code in it is
 * executed. If the file is refused, its source is closed.
 *
 * @param file the file's name, without its directory
 *
 * @example
 * ```ts
 * import { openCheckpointFile } from "espalier/checkpoint";
 * import { tensorFromFloat32, writeSafetensors } from "espalier/io";
 *
 * const weight = tensorFromFloat32("F32", [2], new Float32Array([1, 2]));
 * const bytes = writeSafetensors(new Map([["weight", weight]]));
 * const opened = openCheckpointFile({
 *   name: "model.safetensors",
 *   size: bytes.length,
 *   read: (begin, end) => bytes.slice(begin, end),
 *   close: () => {},
 * });
 * if (opened._tag === "Left" || opened.right.entries[0]?.name !== "weight") throw new Error();
 * ```
 */
export function openCheckpointFile(
  source: CheckpointSource,
  file?: string,
): Either<readonly Problem[], Checkpoint> {
  checkObject("source", source, "name", "size", "read", "close");
  checkString("source.name", source.name);
  checkNumber("source.size", source.size, 0);
  checkFunction("source.read", source.read);
  checkFunction("source.close", source.close);
  if (file !== undefined) checkString("file", file);
  const opened = openEither(source, file ?? source.name);
  if (isLeft(opened)) source.close();
  return opened;
}

/**
 * Returns the names of a file's tensors. Aliases in safetensors metadata are included only if the index lists them,
 * because an index may omit them.
 */
function presentNames(
  { entries, tied, layout }: Checkpoint,
  listed: ReadonlyMap<string, string>,
): ReadonlySet<string> {
  const aliases = [...tied.keys()].filter((name) => layout === "torch" || listed.has(name));
  return new Set([...entries.map(({ name }) => name), ...aliases]);
}

/** Opens the files that an index lists, and checks that they contain the tensors that the index assigns to them. */
export function openShards(
  path: string,
  bytes: Uint8Array,
  openFile: (file: string) => Either<readonly Problem[], CheckpointSource>,
): Either<readonly Problem[], Checkpoint> {
  const isTorch = path.endsWith(".bin.index.json");
  const index = parseShardIndex(path, bytes, isTorch ? "bin" : "safetensors");
  if (isLeft(index)) return index;
  const shards = new Map<string, Checkpoint>();
  const problems: Problem[] = [];
  for (const file of [...new Set(index.right.files.values())].sort()) {
    const source = openFile(file);
    const shard = pipe(
      source,
      chain((open) => (isTorch ? openTorch(open, file) : openSafetensors(open, file))),
    );
    if (isRight(shard)) shards.set(file, shard.right);
    else {
      if (isRight(source)) source.right.close();
      for (const problem of shard.left) problems.push(problem);
    }
  }
  const present = new Map(
    [...shards].map(([file, shard]) => [file, presentNames(shard, index.right.files)]),
  );
  for (const problem of shardProblems(path, index.right, present)) problems.push(problem);
  const all = [...shards.values()];
  const files = all.flatMap((shard) => shard.files);
  for (const { name, metadata } of files)
    if (PACKED_METADATA in metadata)
      problems.push({ path: name, expected: "a packed file without an index", got: path });
  const close = (): void => {
    for (const shard of all) shard.close();
  };
  if (problems.length > 0) {
    close();
    return left(problems);
  }
  const shardOf = (file: string): Checkpoint => {
    const shard = shards.get(file);
    if (shard === undefined)
      throw new RangeError(`${path}: expected a file of the index, got ${file}`);
    return shard;
  };
  return right({
    path,
    layout: isTorch ? "torch" : "sharded",
    index: isTorch ? null : path,
    tied: new Map(all.flatMap(({ tied }) => [...tied])),
    files,
    entries: all.flatMap(({ entries }) => entries),
    read: (entry, memory) => shardOf(entry.file).read(entry, memory),
    readHeader: (file) => shardOf(file.name).readHeader(file),
    close,
  });
}
