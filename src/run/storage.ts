/** The storage of a run: a file system, or anything that stores bytes by path. `/` separates the parts of a path. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { type Either, left, mapLeft, type Problem, right } from "../core/either.ts";

/** What exists at a path. */
export type PathKind = "file" | "directory" | "nothing";

/** The files of a run. Every method may reject with the storage's own error. */
export interface RunStorage {
  kind(path: string): Promise<PathKind>;
  /** Names of the files directly in a directory. */
  list(directory: string): Promise<readonly string[]>;
  read(path: string): Promise<Uint8Array>;
  /** Writes a file completely or not at all, and creates its directory. */
  write(path: string, content: Uint8Array | string): Promise<void>;
  /** Opens the checkpoint of a directory without reading its files whole. Default: its files are read whole. */
  openCheckpoint?(directory: string): Promise<Either<readonly Problem[], Checkpoint>>;
}

/** Files of one directory by name. */
export type FileMap = ReadonlyMap<string, Uint8Array>;

/** Joins the parts of a path; empty parts are skipped. */
export function joinPath(...parts: readonly string[]): string {
  const [last = "", ...before] = parts.filter((part) => part !== "").reverse();
  return [...before.reverse().map((part) => part.replace(/\/+$/, "")), last].join("/");
}

/** Prefixes the path of every problem with a directory. */
export function inDirectory(
  directory: string,
): <A>(result: Either<readonly Problem[], A>) => Either<readonly Problem[], A> {
  return mapLeft((problems: readonly Problem[]) =>
    problems.map((problem) => ({ ...problem, path: joinPath(directory, problem.path) })),
  );
}

/** Returns a problem if there is something else, or nothing, at the path. `label` names the option. */
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

/** Reads the file that an option names. `label` names the option. */
export async function readNamedFile(
  storage: RunStorage,
  label: string,
  path: string,
): Promise<Either<readonly Problem[], Uint8Array>> {
  const problem = await kindProblem(storage, "file", label, path);
  return problem === undefined ? right(await storage.read(path)) : left([problem]);
}

/** Reads the wanted files of a directory, without subdirectories. Default: all files. */
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

/** Writes every file of `files` into `directory`. */
export async function writeDirectory(
  storage: RunStorage,
  directory: string,
  files: FileMap,
): Promise<void> {
  for (const [name, bytes] of files) await storage.write(joinPath(directory, name), bytes);
}
