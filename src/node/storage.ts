/** The file system as the storage of runs. */

import { mkdir, readdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { RunStorage } from "../run/storage.ts";
import { kindOfPath, readBytes, writeFileAtomically } from "./files.ts";

/** Paths are those of the file system. */
export const nodeStorage: RunStorage = {
  kind: kindOfPath,
  list: async (directory) => {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
  },
  read: readBytes,
  write: async (path, content) => {
    await mkdir(dirname(path), { recursive: true });
    writeFileAtomically(path, content);
  },
};
