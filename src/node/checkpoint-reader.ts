/** Opens checkpoints on disk. Tensors are read one at a time, so the largest tensor bounds the memory use. */
import { closeSync, fstatSync, openSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { pipe } from "fp-ts/function";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { type CheckpointSource, openCheckpointFile, openShards } from "../checkpoint/open.ts";
import { checkString } from "../core/checks.ts";
import {
  chain,
  type Either,
  getOrThrow,
  isLeft,
  type Problem,
  refuse,
  right,
} from "../core/either.ts";
import { findWeights } from "../run/stored-checkpoint.ts";
import { kindOfPath, readAt, readBytes } from "./files.ts";
import type { ModelPlace } from "./model-name.ts";

/** The path of a checkpoint, and the name that stands for it in problems and as the path of the open checkpoint. */
type CheckpointPath = Pick<ModelPlace, "path" | "name">;

function openFile({ path, name }: CheckpointPath): Either<readonly Problem[], CheckpointSource> {
  try {
    let descriptor: number | null = openSync(path, "r");
    const { size } = fstatSync(descriptor);
    return right({
      name,
      size,
      read: (begin, end, memory) => {
        if (descriptor === null)
          throw new RangeError(`${name}: expected an open file, got a closed one`);
        return readAt(descriptor, begin, end, memory);
      },
      close: () => {
        if (descriptor !== null) closeSync(descriptor);
        descriptor = null;
      },
    });
  } catch (error) {
    return refuse(name, "a file that can be read", error instanceof Error ? error.message : "none");
  }
}

/**
 * Opens a checkpoint: a safetensors file (packed or not), a `torch.save` file, an index (`*.index.json`) or a directory
 * with `model.safetensors.index.json`, `model.safetensors`, `model.packed.safetensors`, `pytorch_model.bin` or
 * `pytorch_model.bin.index.json`. Pickles are read as dictionaries of tensors; no code in them is executed.
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
  checkString("path", path);
  return openNamed({ path, name: path });
}

/** Opens a checkpoint that has another name than its path. */
export async function openNamed({
  path,
  name,
}: CheckpointPath): Promise<Either<readonly Problem[], Checkpoint>> {
  const within = (file: string): CheckpointPath => {
    return { path: join(path, basename(file)), name: file };
  };
  const kind = await kindOfPath(path);
  if (kind === "nothing") return refuse(name, "a checkpoint", "nothing there");
  if (kind === "directory") {
    const file = await findWeights({ kind: (file) => kindOfPath(within(file).path) }, name);
    return isLeft(file) ? file : openNamed(within(file.right));
  }
  if (path.endsWith(".index.json")) {
    const openShard = (file: string) =>
      openFile({ path: join(dirname(path), file), name: join(dirname(name), file) });
    return openShards(name, await readBytes(path), openShard);
  }
  return pipe(
    openFile({ path, name }),
    chain((source) => openCheckpointFile(source, basename(path))),
  );
}

/** Like {@link openCheckpoint}, but throws an `InputError` with every problem. */
export async function openCheckpointOrThrow(path: string): Promise<Checkpoint> {
  return getOrThrow(await openCheckpoint(path));
}
