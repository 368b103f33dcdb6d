/** Reads and writes files. */

import {
  closeSync,
  fsyncSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { checkKind, isTypedArray } from "../core/checks.ts";
import { InputError, refuseInput } from "../core/either.ts";
import type { PathKind } from "../run/storage.ts";
import { checkPath } from "./arguments.ts";

let written = 0;

/**
 * Writes a file atomically: writes a temporary file next to it, flushes that to disk and renames it. A reader sees
 * either the old file or the new file.
 *
 * @throws TypeError, RangeError or InputError for a path or content that cannot be written; the file system's error, and
 *   then the temporary file is removed
 *
 * @example
 * ```ts
 * import { mkdtempSync, readFileSync } from "node:fs";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import { writeFileAtomically } from "espalier/node";
 *
 * const path = join(mkdtempSync(join(tmpdir(), "espalier-")), "a.txt");
 * writeFileAtomically(path, "one");
 * writeFileAtomically(path, "two");
 * if (readFileSync(path, "utf8") !== "two") throw new Error("expected what was written last");
 * ```
 */
export function writeFileAtomically(path: string, content: Uint8Array | string): void {
  checkPath("path", path);
  const isContent = typeof content === "string" || isTypedArray(content, "Uint8Array");
  checkKind(isContent, "content", "a string or a Uint8Array", content);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory())
    refuseInput("path", "a file, or nothing", `a directory: ${path}`);
  writePartsAtomically(path, [typeof content === "string" ? Buffer.from(content) : content]);
}

/** Like {@link writeFileAtomically}, for content in parts, which may exceed the size of an array. */
export function writePartsAtomically(path: string, parts: readonly Uint8Array[]): void {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.${written++}.tmp`);
  try {
    const descriptor = openSync(temporary, "w");
    try {
      for (const part of parts) writeAll(descriptor, part);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw namingFile(path, error);
  }
}

/** Adds `path` to the message of a file system error without a path, such as the error of a full disk. */
export function namingFile(path: string, error: unknown): unknown {
  if (error instanceof Error && "syscall" in error && !("path" in error))
    error.message = `${path}: ${error.message}`;
  return error;
}

/** The maximum number of bytes in one read or write. Node accepts fewer than 2^31. */
const MOST_AT_ONCE = 2 ** 30;

/** Reads bytes `begin` to `end` of a file, into `memory` if they fit. @throws RangeError if the file is shorter */
export function readAt(
  descriptor: number,
  begin: number,
  end: number,
  memory?: Uint8Array,
): Uint8Array {
  const length = end - begin;
  const isEnough = memory !== undefined && memory.length >= length;
  const bytes = isEnough ? memory.subarray(0, length) : new Uint8Array(length);
  const read = readInto(descriptor, bytes, begin);
  if (read < bytes.length) throw new RangeError(`file: expected ${end} bytes, got ${begin + read}`);
  return bytes;
}

/**
 * Fills `bytes` from byte offset `position` of a file. Returns the number of bytes read, which is smaller than
 * `bytes.length` if the file ends earlier.
 */
export function readInto(
  descriptor: number,
  bytes: Uint8Array,
  position: number,
  most: number = MOST_AT_ONCE,
): number {
  let done = 0;
  while (done < bytes.length) {
    const count = Math.min(bytes.length - done, most);
    const read = readSync(descriptor, bytes, done, count, position + done);
    if (read === 0) break;
    done += read;
  }
  return done;
}

/** Writes all of `bytes` at byte offset `position` of a file, or at the current position if it is null. */
export function writeAll(
  descriptor: number,
  bytes: Uint8Array,
  position: number | null = null,
  most: number = MOST_AT_ONCE,
): void {
  for (let done = 0; done < bytes.length; ) {
    const count = Math.min(bytes.length - done, most);
    done += writeSync(descriptor, bytes, done, count, position === null ? null : position + done);
  }
}

/** The size from which Node refuses to read a file at once. */
const MOST_IN_READ_FILE = 2 ** 31;

/** Reads a file into a buffer of its own, not into Node's shared buffer pool. */
export async function readBytes(path: string): Promise<Uint8Array> {
  const { size } = await stat(path);
  if (size < MOST_IN_READ_FILE) return new Uint8Array(await readFile(path));
  const descriptor = openSync(path, "r");
  try {
    return readAt(descriptor, 0, size);
  } finally {
    closeSync(descriptor);
  }
}

/** Returns whether `path` is a file, a directory or nothing. */
export async function kindOfPath(path: string): Promise<PathKind> {
  try {
    return (await stat(path)).isDirectory() ? "directory" : "file";
  } catch {
    return "nothing";
  }
}

/** Reads a text file. @throws InputError if it is not valid UTF-8 */
export async function readText(path: string): Promise<string> {
  const bytes = await readBytes(path);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new InputError([{ path, expected: "text in UTF-8", got: "other bytes" }]);
  }
}
