/** Writes a directory of files, which is either complete or absent. */
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { namingFile, writeFileAtomically } from "./files.ts";
import { checkNewFile } from "./text-file.ts";

/**
 * Writes files, by their paths in the directory, below a temporary name next to it, and renames it. If the process
 * exits before, nothing remains.
 *
 * @throws InputError if something exists at `path`, which the option names, or the file system's error
 */
export function writeNewDirectory(
  option: string,
  path: string,
  files: ReadonlyMap<string, Uint8Array | string>,
): void {
  checkNewFile(option, path);
  const temporary = join(dirname(resolve(path)), `.${basename(resolve(path))}.${process.pid}.tmp`);
  const discard = (): void => rmSync(temporary, { recursive: true, force: true });
  discard();
  process.on("exit", discard);
  try {
    mkdirSync(temporary);
    for (const [name, content] of files) {
      const file = join(temporary, name);
      if (!existsSync(dirname(file))) mkdirSync(dirname(file), { recursive: true });
      writeFileAtomically(file, content);
    }
    checkNewFile(option, path);
    renameSync(temporary, path);
  } catch (error) {
    discard();
    throw namingFile(path, error);
  } finally {
    process.off("exit", discard);
  }
}
