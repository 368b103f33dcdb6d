/** Keeps the files that a task writes: small ones in memory, large ones in the private file system of the origin. */
import type { CopiedFile } from "../../../../src/checkpoint/copy.ts";
import { refuseInput } from "../../../../src/core/either.ts";
import type { GivenFile } from "./protocol.ts";

/** Files up to this size stay in memory. */
const IN_MEMORY = 2 ** 25;

/** The synchronous access of workers, which the types of pages do not declare. */
interface AccessHandle {
  write(bytes: Uint8Array, options: { readonly at: number }): number;
  flush(): void;
  close(): void;
}

type WritableFile = FileSystemFileHandle & {
  createSyncAccessHandle(): Promise<AccessHandle>;
};

/** Begins the names of the folders of this site. */
const PREFIX = "espalier-";
const FOLDER = `${PREFIX}${crypto.randomUUID()}`;

/** Removes the folders of workers that ended: each worker holds a lock with the name of its folder. */
async function removeAbandoned(root: FileSystemDirectoryHandle): Promise<void> {
  const { held = [] } = await navigator.locks.query();
  const names = held.map(({ name }) => name);
  // The types of pages do not declare the iterator of a folder.
  const entries = root as unknown as { keys(): AsyncIterable<string> };
  for await (const name of entries.keys())
    if (name.startsWith(PREFIX) && name !== FOLDER && !names.includes(name))
      await root.removeEntry(name, { recursive: true });
}

let opened: Promise<FileSystemDirectoryHandle> | null = null;

function folder(): Promise<FileSystemDirectoryHandle> {
  opened ??= (async () => {
    const root = await navigator.storage.getDirectory();
    await new Promise<void>((resolve) => {
      // The lock is held until the worker ends.
      void navigator.locks.request(FOLDER, () => {
        resolve();
        return new Promise(() => {});
      });
    });
    await removeAbandoned(root);
    return root.getDirectoryHandle(FOLDER, { create: true });
  })();
  return opened;
}

async function writeStored({ name, write }: CopiedFile, key: string): Promise<Blob> {
  const directory = await folder();
  const handle = (await directory.getFileHandle(key, { create: true })) as WritableFile;
  const access = await handle.createSyncAccessHandle();
  try {
    await write((bytes, at) => {
      if (access.write(bytes, { at }) !== bytes.length)
        refuseInput(name, "space in the browser's storage", "less than the file needs");
    }, -1);
    access.flush();
  } finally {
    access.close();
  }
  return handle.getFile();
}

async function writeHere({ write }: CopiedFile): Promise<Blob> {
  let memory = new Uint8Array(0);
  let length = 0;
  await write((bytes, at) => {
    length = Math.max(length, at + bytes.length);
    if (length > memory.length) {
      const longer = new Uint8Array(Math.max(length, 2 * memory.length));
      longer.set(memory);
      memory = longer;
    }
    memory.set(bytes, at);
  }, -1);
  return new Blob([memory.subarray(0, length)]);
}

/** A set of files, which are removed together. */
export interface ScratchFiles {
  /** Writes a file whose size is at most `bytes`. */
  write(file: CopiedFile, bytes: number): Promise<GivenFile>;
  remove(): Promise<void>;
}

let count = 0;

export function createScratchFiles(): ScratchFiles {
  const keys: string[] = [];
  return {
    async write(file, bytes) {
      if (bytes <= IN_MEMORY) return { path: file.name, content: await writeHere(file) };
      const key = String(count++);
      keys.push(key);
      return { path: file.name, content: await writeStored(file, key) };
    },
    async remove() {
      for (const key of keys.splice(0)) {
        const directory = await folder();
        await directory.removeEntry(key).catch(() => {});
      }
    },
  };
}
