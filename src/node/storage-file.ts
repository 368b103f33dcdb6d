/** Stores teacher results that exceed the memory budget in a temporary file. */
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TeacherStorage } from "../train/teacher-cache.ts";
import { readInto, writeAll } from "./files.ts";

/** A {@link TeacherStorage} on disk. */
interface StorageFile extends TeacherStorage {
  close(): void;
}

/**
 * Creates a storage that opens a temporary file at the first write. The file is unlinked as soon as it is open, so it
 * never outlives the process. If the system does not allow that (Windows), the file is removed on `close` and when the
 * process exits.
 *
 * @example
 * ```ts
 * import { createStorageFile } from "espalier/node";
 *
 * const file = createStorageFile();
 * file.write(0, Uint8Array.of(1, 2, 3));
 * const bytes = new Uint8Array(2);
 * file.read(1, bytes);
 * if (bytes.join() !== "2,3") throw new Error("expected what was written");
 * file.close();
 * ```
 */
export function createStorageFile(): StorageFile {
  let file: number | null = null;
  let directory = "";
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  const open = (): number => {
    directory = mkdtempSync(join(tmpdir(), "espalier-teacher-"));
    const opened = openSync(join(directory, "rows"), "wx+", 0o600);
    try {
      remove();
    } catch {
      process.on("exit", remove);
    }
    return opened;
  };
  return {
    write(position, bytes) {
      file ??= open();
      writeAll(file, bytes, position);
    },
    read(position, bytes) {
      const read = file === null ? 0 : readInto(file, bytes, position);
      if (read < bytes.length)
        throw new Error(`temporary file: expected ${bytes.length} bytes, got ${read}`);
    },
    close() {
      if (file === null) return;
      closeSync(file);
      file = null;
      process.off("exit", remove);
      remove();
    },
  };
}
