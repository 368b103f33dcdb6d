/** Writes a text file in parts. Until it is complete, it has a temporary name next to its own. */
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { createGzip } from "node:zlib";
import { refuseInput } from "../core/either.ts";
import { namingFile, writeAll } from "./files.ts";

export interface TextFile {
  readonly write: (text: string) => Promise<void>;
  /** Ends the file and gives it its name. @throws InputError if there is a file of this name by now */
  readonly commit: () => Promise<void>;
  /** Removes the file, unless it is complete. */
  readonly discard: () => void;
}

/** Checks that a file can be created. `option` names the path in problems. @throws InputError */
export function checkNewFile(option: string, path: string): void {
  if (existsSync(path)) refuseInput(option, "a path where nothing is yet", path);
  if (!existsSync(dirname(resolve(path))))
    refuseInput(option, "a path in a directory that exists", path);
}

/** Creates a text file. If its name ends with `.gz`, it is compressed. If the process exits before, it is removed. */
export function createTextFile(path: string): TextFile {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  const naming = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw namingFile(path, error);
    }
  };
  let descriptor: number | null = naming(() => openSync(temporary, "w"));
  let isTemporary = true;
  const close = (): void => {
    if (descriptor !== null) closeSync(descriptor);
    descriptor = null;
  };
  const discard = (): void => {
    if (!isTemporary) return;
    isTemporary = false;
    process.off("exit", discard);
    close();
    rmSync(temporary, { force: true });
  };
  process.on("exit", discard);
  const writeBytes = (bytes: Uint8Array): void => {
    if (descriptor !== null) writeAll(descriptor, bytes);
  };
  const compressed = /\.gz$/i.test(path) ? compressor(writeBytes) : undefined;
  return {
    write: async (text) => {
      const bytes = new TextEncoder().encode(text);
      if (compressed !== undefined) await compressed.write(bytes);
      else naming(() => writeBytes(bytes));
    },
    commit: async () => {
      await compressed?.end();
      naming(() => {
        if (descriptor === null)
          throw new Error(`${path}: expected an open file, got a closed one`);
        fsyncSync(descriptor);
        close();
        if (existsSync(path)) refuseInput(path, "nothing there", "what was created meanwhile");
        renameSync(temporary, path);
        isTemporary = false;
        process.off("exit", discard);
      });
    },
    discard,
  };
}

/** Compresses bytes in order. Each call is awaited before the next one. */
function compressor(onBytes: (bytes: Uint8Array) => void) {
  const gzip = createGzip();
  const failed = new Promise<never>((_, reject) => gzip.on("error", reject));
  // The rejection is handled by each call that waits for it.
  failed.catch(() => {});
  gzip.on("data", (bytes: Uint8Array) => {
    try {
      onBytes(bytes);
    } catch (error) {
      gzip.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  });
  const ended = new Promise<void>((done) => gzip.on("end", done));
  return {
    write: (bytes: Uint8Array): Promise<void> =>
      Promise.race([failed, new Promise<void>((done) => gzip.write(bytes, () => done()))]),
    end: (): Promise<void> => {
      gzip.end();
      return Promise.race([failed, ended]);
    },
  };
}
