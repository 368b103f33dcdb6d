/** Checks the arguments of functions that read and write checkpoints, models and files. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { checkSignal, type StopSignal } from "../core/abort.ts";
import {
  checkFunction,
  checkKind,
  checkList,
  checkMap,
  checkObject,
  checkRecords,
  checkString,
  describe,
  mismatch,
  succeeds,
} from "../core/checks.ts";

/** The maximum length of a file's name, in bytes, that Linux, macOS and Windows accept. */
const LONGEST_NAME = 255;
/** The maximum length of a path, in bytes, that Linux accepts. */
const LONGEST_PATH = 4096;

/** Checks that a value may be the path of a new file or directory. */
export function checkPath(name: string, value: unknown): asserts value is string {
  checkString(name, value);
  const fits = (text: string, most: number): boolean => Buffer.byteLength(text) <= most;
  // A temporary file's name has up to 30 bytes more than the name of the file that it becomes.
  const isPath =
    value !== "" &&
    !value.includes("\0") &&
    fits(value, LONGEST_PATH) &&
    value.split(/[/\\]/).every((part) => fits(part, LONGEST_NAME - 30));
  if (!isPath) throw new RangeError(mismatch(name, "the path of a file", describe(value)));
}

/** Checks that a value has the form of an open checkpoint. */
export function checkCheckpoint(name: string, value: unknown): void {
  checkObject(name, value, "path", "layout", "files", "entries", "tied", "read", "readHeader");
  const { path, files, entries, tied, read, readHeader } = value as Checkpoint;
  checkString(`${name}.path`, path);
  checkRecords(`${name}.files`, files, "name", "metadata");
  checkRecords(`${name}.entries`, entries, "name", "file", "dtype", "shape", "begin", "end");
  for (const [i, { shape }] of entries.entries()) checkList(`${name}.entries[${i}].shape`, shape);
  checkMap(`${name}.tied`, tied);
  checkFunction(`${name}.read`, read);
  checkFunction(`${name}.readHeader`, readHeader);
}

/** The options of a copy of a checkpoint. */
export interface CheckedCopy {
  readonly from: string;
  readonly to: string;
  readonly checkpoint: Checkpoint;
  readonly onProgress?: unknown;
  readonly signal?: StopSignal | undefined;
}

/** The names of {@link CheckedCopy}'s options. */
export const COPY_OPTIONS: readonly string[] = ["checkpoint", "from", "to", "onProgress", "signal"];

/** Checks the values of the options that all copies of checkpoints have. */
export function checkCopy({ checkpoint, from, to, onProgress, signal }: CheckedCopy): void {
  checkPath("from", from);
  checkPath("to", to);
  checkCheckpoint("checkpoint", checkpoint);
  if (onProgress !== undefined) checkFunction("onProgress", onProgress);
  if (signal !== undefined) checkSignal("signal", signal);
}

/** Checks that a value is the URL of a worker's script. */
export function checkScript(name: string, value: unknown): void {
  const holds = succeeds(() => typeof (value as { readonly href: unknown }).href === "string");
  checkKind(holds, name, "a URL", value);
}
