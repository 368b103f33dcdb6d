/** Finds golden vectors below a directory and says which family each belongs to. */

import { readdir } from "node:fs/promises";
import { basename, dirname, extname, join, relative, resolve } from "node:path";
import { type ListedVector, readManifest } from "../conform/manifest.ts";
import { PRUNING_TABLE_NAMES } from "../conform/pruning-tables.ts";
import { InputError, isLeft } from "../core/either.ts";
import { isJsonObject, parseJson } from "../io/json.ts";
import { kindOfPath, readBytes } from "../node/files.ts";

/** Families whose vectors are directories of their own. */
export type CaseFamily = "model" | "joint" | "pruning" | "strict";

/** Something that can be replayed: a case directory, or a file of rows or lines. */
export type FoundVectors =
  | {
      readonly kind: "case";
      readonly family: CaseFamily;
      readonly name: string;
      readonly directory: string;
    }
  | {
      readonly kind: "rows";
      readonly family: "tokenizer" | "model" | "pruning_tables";
      /** The file's name. */
      readonly name: string;
      readonly path: string;
    };

/** Every JSON file in a directory of this name is a table. */
const TABLE_DIRECTORY = "pruning_tables";
const CASE_FILES = ["case.json", "tensors.safetensors"];
const CASE_FAMILIES: readonly CaseFamily[] = ["model", "joint", "pruning", "strict"];

/** The family that a case states: by what its kind of case has and no other. */
function statedFamily(text: string): CaseFamily | undefined {
  const parsed = parseJson("case.json", text);
  if (isLeft(parsed) || !isJsonObject(parsed.right)) return undefined;
  const { kind } = parsed.right;
  if (kind === "joint" || kind === "strict") return kind;
  if ("pruners" in parsed.right) return "pruning";
  return "teacher_config" in parsed.right ? "model" : undefined;
}

/** The family of a case: as it states, else by the directories above, else (unreadable) pruning. */
async function caseFamily(directory: string): Promise<CaseFamily> {
  const text = await readText(join(directory, "case.json")).catch(() => "");
  const above = directory.split(/[\\/]/).reverse();
  const named = above.find((name) => (CASE_FAMILIES as readonly string[]).includes(name));
  return statedFamily(text) ?? CASE_FAMILIES.find((family) => family === named) ?? "pruning";
}

/** The family of a file of rows or lines; undefined where it is none. */
function rowsFamily(
  path: string,
): (FoundVectors & { readonly kind: "rows" })["family"] | undefined {
  const name = basename(path);
  if (name.endsWith("cases.jsonl")) return "tokenizer";
  if (name === "lr_schedule.json") return "model";
  if (extname(name) !== ".json") return undefined;
  const isTable = PRUNING_TABLE_NAMES.includes(basename(name, ".json"));
  return isTable || basename(dirname(path)) === TABLE_DIRECTORY ? "pruning_tables" : undefined;
}

/**
 * A text file.
 *
 * @throws InputError where its bytes are no UTF-8; the file system's error where it cannot be read
 */
export async function readText(path: string): Promise<string> {
  const bytes = await readBytes(path);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new InputError([{ path, expected: "text in UTF-8", got: "other bytes" }]);
  }
}

/**
 * Everything below `directory` that can be replayed, in the order of names. Directories of cases are not searched
 * further.
 *
 * @throws the file system's error where a directory cannot be read
 */
export async function findVectors(directory: string): Promise<readonly FoundVectors[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  const names = entries.map(({ name }) => name).sort();
  if (CASE_FILES.some((name) => names.includes(name))) {
    const family = await caseFamily(directory);
    return [{ kind: "case", family, name: basename(directory), directory }];
  }
  const isDirectory = new Map(entries.map((entry) => [entry.name, entry.isDirectory()]));
  const found = names.map(async (name): Promise<readonly FoundVectors[]> => {
    const path = join(directory, name);
    if (isDirectory.get(name) === true) return findVectors(path);
    const family = rowsFamily(path);
    return family === undefined ? [] : [{ kind: "rows", family, name, path }];
  });
  return (await Promise.all(found)).flat();
}

/** The file `path` in `directory` or the nearest directory above it that has it; undefined without. */
export async function findAbove(directory: string, path: string): Promise<string | undefined> {
  for (let at = directory; ; at = dirname(at)) {
    const candidate = join(at, path);
    const there = await readBytes(candidate).then(
      () => true,
      () => false,
    );
    if (there) return candidate;
    if (relative(at, dirname(at)) === "") return undefined;
  }
}

/** How many directories above one of vectors may hold their manifest: `golden` is two above a case. */
const MANIFEST_LEVELS = 2;

/**
 * The vectors that `directory` has to hold by its own manifest; undefined where it has none. The manifest of a
 * directory above is only asked whether its version is known, since it also lists what lies elsewhere.
 *
 * @throws InputError where the nearest manifest is none of this format; the file system's error where it cannot be read
 */
export async function listedVectors(
  directory: string,
): Promise<readonly ListedVector[] | undefined> {
  let at = resolve(directory);
  for (let level = 0; level <= MANIFEST_LEVELS; level++, at = dirname(at)) {
    const path = join(at, "manifest.json");
    if ((await kindOfPath(path)) !== "file") continue;
    const listed = readManifest(path, await readText(path));
    if (listed !== undefined) return level === 0 ? listed : undefined;
  }
  return undefined;
}
