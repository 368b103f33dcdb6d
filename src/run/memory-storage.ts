/** Keeps the files of a run in memory, alone or before another storage. */
import { readRows } from "./row-file.ts";
import type { RunStorage } from "./storage.ts";
import { openStoredCheckpoint } from "./stored-checkpoint.ts";

/** A storage in memory. */
export interface MemoryStorage extends RunStorage {
  /** The contents by path. Arrays are not copied, neither when they are written nor when they are read. */
  readonly files: Map<string, Uint8Array>;
}

/** Creates a storage of `files`. What they do not contain is read from `below`; all writes stay in memory. */
export function createMemoryStorage(
  files: Map<string, Uint8Array> = new Map(),
  below?: RunStorage,
): MemoryStorage {
  const inside = (directory: string): readonly string[] =>
    [...files.keys()]
      .filter((path) => path.startsWith(`${directory}/`))
      .map((path) => path.slice(directory.length + 1));
  const holds = (path: string): boolean => files.has(path) || inside(path).length > 0;
  const own: MemoryStorage = {
    files,
    async kind(path) {
      if (files.has(path)) return "file";
      return inside(path).length > 0 ? "directory" : "nothing";
    },
    async list(directory) {
      return inside(directory).filter((name) => !name.includes("/"));
    },
    async read(path) {
      const bytes = files.get(path);
      if (bytes === undefined) throw new Error(`${path}: expected a file, got none`);
      return bytes;
    },
    async write(path, content) {
      files.set(path, typeof content === "string" ? encoder.encode(content) : joined(content));
    },
  };
  if (below === undefined) return own;
  const of = (path: string): RunStorage => (holds(path) ? own : below);
  return {
    ...own,
    kind: (path) => of(path).kind(path),
    list: (path) => of(path).list(path),
    read: (path) => of(path).read(path),
    readRows: (path, reader, onRows) => readRows(of(path), path, reader, onRows),
    openCheckpoint: async (path) => {
      const storage = of(path);
      return storage.openCheckpoint?.(path) ?? openStoredCheckpoint(storage, path);
    },
  };
}

const encoder = new TextEncoder();

function joined(parts: Uint8Array | readonly Uint8Array[]): Uint8Array {
  if (parts instanceof Uint8Array) return parts;
  const bytes = new Uint8Array(parts.reduce((total, { length }) => total + length, 0));
  let end = 0;
  for (const part of parts) {
    bytes.set(part, end);
    end += part.length;
  }
  return bytes;
}
