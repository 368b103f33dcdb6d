/** Defines the storage of a run: a file system, or anything else that stores bytes by path, with `/` as separator. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { type Either, left, mapLeft, type Problem, right } from "../core/either.ts";
import type { ReadRow, RowReader } from "../io/rows/row-reader.ts";

/** The kind of entry at a path; `nothing` if the path does not exist. */
export type PathKind = "file" | "directory" | "nothing";

/** Receives rows as they are complete. */
export type OnRows = (rows: readonly ReadRow[]) => void | Promise<void>;

/** Access to the files of a run. Every method may reject with an error that is specific to the storage. */
export interface RunStorage {
  kind(path: string): Promise<PathKind>;
  /** Lists the names of the files in a directory, without those in subdirectories. */
  list(directory: string): Promise<readonly string[]>;
  read(path: string): Promise<Uint8Array>;
  /**
   * Writes a file completely or not at all. Creates the file's directory if necessary. The content may be given in
   * parts, which together may exceed the size of an array.
   */
  write(path: string, content: Uint8Array | string | readonly Uint8Array[]): Promise<void>;
  /**
   * Reads a row file piece by piece through a reader, passes on its rows as they are complete, and ends the reader.
   * Without this method, the whole file is loaded into memory.
   */
  readRows?(path: string, reader: RowReader, onRows: OnRows): Promise<void>;
  /**
   * Opens the checkpoint at a path without loading whole files. Without this method, whole files are loaded into
   * memory.
   */
  openCheckpoint?(path: string): Promise<Either<readonly Problem[], Checkpoint>>;
  /**
   * Locks a directory, so that no other run writes to it, and returns a function that unlocks it. Without this method,
   * the caller must ensure that no other run writes to the directory.
   *
   * @throws InputError if another run holds the lock
   */
  lock?(directory: string): Promise<() => void>;
}

/** The contents of the files in one directory, by file name. */
export type FileMap = ReadonlyMap<string, Uint8Array>;

/** Joins the parts of a path with `/`. Empty parts are skipped. */
export function joinPath(...parts: readonly string[]): string {
  const [last = "", ...before] = parts.filter((part) => part !== "").reverse();
  return [...before.reverse().map((part) => part.replace(/\/+$/, "")), last].join("/");
}

/** Returns a function that prefixes the path of every problem with a directory. */
export function inDirectory(
  directory: string,
): <A>(result: Either<readonly Problem[], A>) => Either<readonly Problem[], A> {
  return mapLeft((problems: readonly Problem[]) =>
    problems.map((problem) => ({ ...problem, path: joinPath(directory, problem.path) })),
  );
}

/** Returns a problem unless the entry at `path` is of the expected kind. The problem names the option `label`. */
export async function kindProblem(
  storage: RunStorage,
  expected: "file" | "directory",
  label: string,
  path: string,
): Promise<Problem | undefined> {
  const kind = await storage.kind(path);
  if (kind === expected) return undefined;
  const found = kind === "nothing" ? "does not exist" : `is a ${kind}`;
  return { path: label, expected: `a ${expected}`, got: `${path} (${found})` };
}

/** Reads the file at `path`, which the option `label` names. */
export async function readNamedFile(
  storage: RunStorage,
  label: string,
  path: string,
): Promise<Either<readonly Problem[], Uint8Array>> {
  const problem = await kindProblem(storage, "file", label, path);
  return problem === undefined ? right(await storage.read(path)) : left([problem]);
}

/** Reads the files in a directory for whose names `wanted` returns true; by default, all. Skips subdirectories. */
export async function readDirectory(
  storage: RunStorage,
  directory: string,
  wanted: (name: string) => boolean = () => true,
): Promise<FileMap> {
  const names = (await storage.list(directory)).filter(wanted);
  const read = async (name: string) =>
    [name, await storage.read(joinPath(directory, name))] as const;
  return new Map(await Promise.all(names.map(read)));
}

/** Writes `files` to a directory. */
export async function writeDirectory(
  storage: RunStorage,
  directory: string,
  files: FileMap,
): Promise<void> {
  for (const [name, bytes] of files) await storage.write(joinPath(directory, name), bytes);
}
