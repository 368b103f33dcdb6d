/** Files in memory, for runs without a file system. */
import type { RunStorage } from "../../src/run/storage.ts";

/** A storage that also gives its files by path. */
export interface MemoryStorage extends RunStorage {
  readonly files: Map<string, Uint8Array>;
}

/** An empty storage; `beforeWrite` may throw, as a full disk does. */
export function memoryStorage(beforeWrite: (path: string) => void = () => {}): MemoryStorage {
  const files = new Map<string, Uint8Array>();
  const inside = (directory: string): readonly string[] =>
    [...files.keys()]
      .filter((path) => path.startsWith(`${directory}/`))
      .map((path) => path.slice(directory.length + 1));
  return {
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
      return bytes.slice();
    },
    async write(path, content) {
      beforeWrite(path);
      const parts = typeof content === "string" ? [new TextEncoder().encode(content)] : content;
      files.set(
        path,
        parts instanceof Uint8Array ? parts.slice() : new Uint8Array(Buffer.concat([...parts])),
      );
    },
  };
}

/** A file's text. */
export function textOf({ files }: MemoryStorage, path: string): string {
  return new TextDecoder().decode(files.get(path));
}
