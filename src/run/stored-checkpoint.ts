/** Opens checkpoints in a storage that cannot read parts of files, by loading whole files into memory. */
import { byteSource } from "../checkpoint/byte-source.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { type CheckpointSource, openCheckpointFile, openShards } from "../checkpoint/open.ts";
import { PACKED_WEIGHTS } from "../checkpoint/packed-checkpoint.ts";
import { type Either, isLeft, type Problem, refuse, right } from "../core/either.ts";
import { HUGGING_FACE_FILES } from "../io/hugging-face.ts";
import { parseShardIndex, SHARD_INDEX } from "../io/shard-index.ts";
import { joinPath, type RunStorage } from "./storage.ts";

/** The names of the files in which transformers stored weights before it adopted safetensors. */
const TORCH_WEIGHTS = "pytorch_model.bin";
const TORCH_SHARD_INDEX = "pytorch_model.bin.index.json";

/** The files that may contain a directory's weights, or their index. The first one that exists is used. */
const WEIGHT_FILES: readonly string[] = [
  SHARD_INDEX,
  HUGGING_FACE_FILES.weights,
  PACKED_WEIGHTS,
  TORCH_WEIGHTS,
  TORCH_SHARD_INDEX,
];

/** Matches the names of files that an index lists. */
const SHARD = /^(model|pytorch_model)-\d+-of-\d+\.(safetensors|bin)$/;

/** Whether a file of a directory may contain weights, or their index. */
export function isWeightFile(name: string): boolean {
  return WEIGHT_FILES.includes(name) || SHARD.test(name);
}

/** Returns the path of the file that contains a directory's weights, or of the index if there are several files. */
export async function findWeights(
  { kind }: Pick<RunStorage, "kind">,
  directory: string,
): Promise<Either<readonly Problem[], string>> {
  for (const name of WEIGHT_FILES) {
    const path = joinPath(directory, name);
    if ((await kind(path)) === "file") return right(path);
  }
  const expected = `${SHARD_INDEX}, ${HUGGING_FACE_FILES.weights}, ${PACKED_WEIGHTS} or ${TORCH_WEIGHTS} in the directory`;
  return refuse(directory, expected, "none of them");
}

/** Opens the checkpoint in a directory. */
export async function openStoredCheckpoint(
  storage: RunStorage,
  directory: string,
): Promise<Either<readonly Problem[], Checkpoint>> {
  const found = await findWeights(storage, directory);
  if (isLeft(found)) return found;
  const path = found.right;
  const bytes = await storage.read(path);
  if (!path.endsWith(".index.json")) return openCheckpointFile(byteSource(path, bytes));
  const index = parseShardIndex(path, bytes, path.endsWith(".bin.index.json") ? "bin" : undefined);
  if (isLeft(index)) return index;
  const shards = new Map<string, CheckpointSource>();
  for (const name of new Set(index.right.files.values())) {
    const file = joinPath(directory, name);
    if ((await storage.kind(file)) === "file")
      shards.set(name, byteSource(file, await storage.read(file)));
  }
  return openShards(path, bytes, (name) => {
    const shard = shards.get(name);
    return shard === undefined ? refuse(joinPath(directory, name), "a file", "none") : right(shard);
  });
}
