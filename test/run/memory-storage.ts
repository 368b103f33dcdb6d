/** Files in memory, for runs without a file system. */
import { createMemoryStorage, type MemoryStorage } from "../../src/run/memory-storage.ts";

export type { MemoryStorage } from "../../src/run/memory-storage.ts";

/** An empty storage that copies what it reads and writes; `beforeWrite` may throw, as a full disk does. */
export function memoryStorage(beforeWrite: (path: string) => void = () => {}): MemoryStorage {
  const storage = createMemoryStorage();
  return {
    ...storage,
    read: async (path) => (await storage.read(path)).slice(),
    async write(path, content) {
      beforeWrite(path);
      await storage.write(path, content instanceof Uint8Array ? content.slice() : content);
    },
  };
}

/** A file's text. */
export function textOf({ files }: MemoryStorage, path: string): string {
  return new TextDecoder().decode(files.get(path));
}
