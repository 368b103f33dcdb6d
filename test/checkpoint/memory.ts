/** Checkpoints and their copies in memory. */
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import type { CopySink } from "../../src/checkpoint/copy.ts";
import { type CheckpointSource, openCheckpointFile } from "../../src/checkpoint/open.ts";
import { getOrThrow } from "../../src/core/either.ts";

/** A file, and whether it was closed. */
export interface MemoryFile extends CheckpointSource {
  readonly isClosed: () => boolean;
}

/** Bytes as an open file. */
export function memoryFile(name: string, bytes: Uint8Array): MemoryFile {
  let closed = false;
  return {
    name,
    size: bytes.length,
    read: (begin, end) => {
      if (closed || !(begin >= 0 && begin <= end && end <= bytes.length))
        throw new Error("outside of an open file");
      return bytes.slice(begin, end);
    },
    close: () => {
      closed = true;
    },
    isClosed: () => closed,
  };
}

/** Opens bytes as a checkpoint of one file. */
export function openBytes(bytes: Uint8Array): Checkpoint {
  return getOrThrow(openCheckpointFile(memoryFile("model.safetensors", bytes)));
}

/** A sink that keeps the files that it gets, by name. */
export function memorySink(): { readonly sink: CopySink; readonly files: Map<string, Uint8Array> } {
  const files = new Map<string, Uint8Array>();
  const sink: CopySink = async (copy) => {
    for (const { name, write } of copy.files) {
      let file = new Uint8Array(0);
      await write((bytes, position) => {
        const end = position + bytes.length;
        if (end > file.length) {
          const longer = new Uint8Array(end);
          longer.set(file);
          file = longer;
        }
        file.set(bytes, position);
      }, -1);
      files.set(name, file);
    }
    return [];
  };
  return { sink, files };
}
