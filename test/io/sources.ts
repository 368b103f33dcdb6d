/** Files the tests read: the project's own vectors, and shared data that is not part of the project. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { PROJECT_ROOT } from "../packaging/distribution.ts";

const VECTORS = new URL("../vectors/tokenizer/", import.meta.url);

/** Text of one of the project's own tokenizer vector files. */
export function readVectorFile(name: string): string {
  return readFileSync(new URL(name, VECTORS), "utf8");
}

/** The folder of shared data beside the project, and the variables that name other places of its parts. */
const SHARED = join(PROJECT_ROOT, "..", "shared");
const FOLDERS = { ESPALIER_GOLDEN: "golden", ESPALIER_DATA: "data" };

/** The text of a file of shared data; undefined if neither the variable nor the folder beside the project has it. */
export function readSharedFile(variable: keyof typeof FOLDERS, path: string): string | undefined {
  const found = sharedPath(variable, path);
  return found === undefined ? undefined : readFileSync(found, "utf8");
}

/** The path of a file or folder of shared data; undefined as for {@link readSharedFile}. */
export function sharedPath(variable: keyof typeof FOLDERS, path: string): string | undefined {
  const roots = [process.env[variable] ?? "", join(SHARED, FOLDERS[variable])];
  return roots.map((root) => join(root, path)).find((candidate) => existsSync(candidate));
}
