/** Files the tests read: the project's own vectors, and outside data where the environment names it. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const VECTORS = new URL("../vectors/tokenizer/", import.meta.url);

/** Text of one of the project's own tokenizer vector files. */
export function readVectorFile(name: string): string {
  return readFileSync(new URL(name, VECTORS), "utf8");
}

/**
 * The text of a file below the directory that an environment variable names, or undefined with a warning that says
 * what is skipped.
 */
export function readOutsideFile(variable: string, path: string): string | undefined {
  const root = process.env[variable];
  if (root === undefined || !existsSync(join(root, path))) {
    console.warn(`SKIPPED: what needs ${path}; ${variable} names no directory that has it`);
    return undefined;
  }
  return readFileSync(join(root, path), "utf8");
}
