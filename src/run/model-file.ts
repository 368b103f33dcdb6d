/**
 * A model in one file: safetensors, plain or packed, in which the other files of the model are tensors of bytes. See
 * docs/runtime.md.
 */
import type { Checkpoint, CheckpointEntry } from "../checkpoint/checkpoint.ts";
import type { FileMap } from "./storage.ts";

/** The tensor `espalier.files/config.json` contains the bytes of config.json. */
export const FILE_PREFIX = "espalier.files/";

/** Separates the files in a model's one file from its weights. */
export function separateFiles(checkpoint: Checkpoint): {
  readonly files: FileMap;
  readonly weights: Checkpoint;
} {
  const isFile = ({ name, dtype }: CheckpointEntry): boolean =>
    name.startsWith(FILE_PREFIX) && dtype === "U8";
  const files = checkpoint.entries
    .filter(isFile)
    .map((entry) => [entry.name.slice(FILE_PREFIX.length), checkpoint.read(entry).bytes] as const);
  const entries = checkpoint.entries.filter((entry) => !isFile(entry));
  return { files: new Map(files), weights: { ...checkpoint, entries } };
}
