/** Finds the golden vectors below a directory, determines the family of each vector, and replays the vectors. */
import { readdir } from "node:fs/promises";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { type CaseData, CaseFileError, type CaseFiles } from "../conform/case-files.ts";
import {
  type CaseFamily,
  caseFamily,
  caseParts,
  caseRefusal,
  FAMILIES,
  mayBeTokenizerCases,
  type RowFamily,
  replayCase,
  replayRows,
  rowFamily,
} from "../conform/families.ts";
import { type ListedVector, missingVectors, readManifest } from "../conform/manifest.ts";
import { brokenVerdict, type Verdict } from "../conform/verdict.ts";
import { getOrThrow, refuseInput, toError } from "../core/either.ts";
import { readHuggingFaceTokenizer } from "../io/hugging-face.ts";
import { writeSafetensors } from "../io/safetensors.ts";
import type { Tokenizer } from "../io/tokenizer.ts";
import type { Backend } from "../kernels/backend.ts";
import { inDirectory, readDirectory } from "../run/storage.ts";
import { kindOfPath, readBytes, readText } from "./files.ts";
import { decompressed } from "./row-files.ts";
import { nodeStorage } from "./storage.ts";

/** The directory of one case, or a part of it, or a file with one vector in each row or line. */
type FoundVectors =
  | {
      readonly kind: "case";
      readonly family: CaseFamily;
      readonly path: string;
      /** A part of the case; null for the case itself. */
      readonly part: string | null;
    }
  | { readonly kind: "rows"; readonly family: RowFamily; readonly path: string };

/** A vector of a known family that is not replayed. */
interface RefusedVector {
  readonly family: CaseFamily;
  readonly name: string;
  readonly reason: string;
}

export interface GoldenVectors {
  readonly found: readonly FoundVectors[];
  /** The vectors of known families that cannot be replayed, such as those of models that cannot be run. */
  readonly refused: readonly RefusedVector[];
  /** The names of the directories whose vectors do not belong to a known family. */
  readonly unknown: readonly string[];
  /** The vectors that the manifest in the directory lists; undefined if there is none. */
  readonly listed: readonly ListedVector[] | undefined;
}

const CASE_FILES = ["case.json", "tensors.safetensors"];
/** Families with cases that consist of `case.json` alone. */
const MAY_LACK_TENSORS: readonly CaseFamily[] = ["heads", "slim"];
/** How many parent directories are searched for a manifest. The manifest in `golden` is two levels above a case. */
const MANIFEST_LEVELS = 2;

/** The vectors of a subtree, and the paths of directories with unknown vectors. */
interface Search {
  readonly found: readonly FoundVectors[];
  readonly refused: readonly RefusedVector[];
  readonly unknown: readonly string[];
}

/**
 * Finds the vectors below a directory, sorted by name.
 *
 * @throws InputError if a manifest is invalid; the file system's error if a directory cannot be read
 */
export async function findGoldenVectors(directory: string): Promise<GoldenVectors> {
  const root = resolve(directory);
  const listed = await listedVectors(root);
  const { found, refused, unknown } = await search(root, root);
  // A set is a direct subdirectory of the root, or the root itself.
  const setOf = (path: string): string => {
    const [first = ""] = relative(root, path).split(sep);
    return first === "" || first === ".." ? basename(path) : first;
  };
  const known = new Set(found.map(({ path }) => setOf(dirname(path))));
  const sets = new Set(unknown.map(setOf));
  return { found, refused, unknown: [...sets].filter((name) => !known.has(name)), listed };
}

const NOTHING: Search = { found: [], refused: [], unknown: [] };

async function search(root: string, directory: string): Promise<Search> {
  const entries = await readdir(directory, { withFileTypes: true });
  const names = entries.map(({ name }) => name).sort();
  if (CASE_FILES.some((name) => names.includes(name))) {
    const text = await readText(join(directory, "case.json")).catch(() => "");
    const top = directory === root ? dirname(dirname(root)) : dirname(root);
    const folders = relative(top, dirname(directory)).split(sep).reverse();
    const family = caseFamily(text, folders);
    if (family === undefined) return { ...NOTHING, unknown: [dirname(directory)] };
    const reason = caseRefusal(family, text);
    if (reason !== undefined)
      return { ...NOTHING, refused: [{ family, name: basename(directory), reason }] };
    const entry = { kind: "case", family, path: directory } as const;
    const found = [null, ...caseParts(family)].map((part) => ({ ...entry, part }));
    return { ...NOTHING, found };
  }
  const isDirectory = new Map(entries.map((entry) => [entry.name, entry.isDirectory()]));
  const parts = names.map(async (name): Promise<Search> => {
    const path = join(directory, name);
    if (isDirectory.get(name) === true) return search(root, path);
    const text = mayBeTokenizerCases(name) ? await readText(path).catch(() => "") : "";
    const family = rowFamily(name, basename(directory), text);
    if (family !== undefined) return { ...NOTHING, found: [{ kind: "rows", family, path }] };
    const isVector = /\.(jsonl?|safetensors)$/.test(name) && directory !== root;
    return { ...NOTHING, unknown: isVector ? [directory] : [] };
  });
  const searches = await Promise.all(parts);
  return {
    found: searches.flatMap(({ found }) => found),
    refused: searches.flatMap(({ refused }) => refused),
    unknown: searches.flatMap(({ unknown }) => unknown),
  };
}

/**
 * Returns the vectors that the manifest in `directory` lists; undefined if there is none. If the manifest is in a
 * parent directory, only its version is checked, because it also lists vectors outside `directory`.
 */
async function listedVectors(directory: string): Promise<readonly ListedVector[] | undefined> {
  let at = directory;
  for (let level = 0; level <= MANIFEST_LEVELS; level++, at = dirname(at)) {
    const path = join(at, "manifest.json");
    if ((await kindOfPath(path)) !== "file") continue;
    const listed = readManifest(path, await readText(path));
    if (listed !== undefined)
      return level === 0 ? listed.filter(({ family }) => FAMILIES.includes(family)) : undefined;
  }
  return undefined;
}

/** Finds the relative path `path` in `directory` or in the nearest parent directory that has such a file. */
export async function findAbove(directory: string, path: string): Promise<string | undefined> {
  for (let at = resolve(directory); ; at = dirname(at)) {
    const candidate = join(at, path);
    if ((await kindOfPath(candidate)) === "file") return candidate;
    if (at === dirname(at)) return undefined;
  }
}

/** Options for {@link replayGoldenVectors}. */
interface ReplayOptions {
  readonly backend: Backend;
  /** The tokenizer for the vectors of the family `tokenizer`. May be null if there are none. */
  readonly tokenizer: Tokenizer | null;
  /**
   * The directory of the tokenizer for all vectors of the family `tokenizers`. Default: the tokenizer next to each
   * file.
   */
  readonly tokenizerDirectory?: string | undefined;
  /**
   * Replays only the vectors whose `family/name` matches this expression. Then it is not an error if a vector in the
   * manifest is missing from the directory.
   */
  readonly only?: RegExp | undefined;
}

/** Replays vectors one by one. Vectors that cannot be read, or that the manifest lists but were not found, fail. */
export async function* replayGoldenVectors(
  { found, refused, listed }: GoldenVectors,
  { backend, tokenizer, tokenizerDirectory, only }: ReplayOptions,
): AsyncGenerator<Verdict, void> {
  const isWanted = ({ family, name }: Pick<Verdict, "family" | "name">): boolean =>
    only === undefined || only.test(`${family}/${name}`);
  const verdicts: Verdict[] = [];
  for (const vectors of found) {
    const { kind, family, path } = vectors;
    const part = kind === "case" ? vectors.part : null;
    const folder = basename(dirname(path));
    const file = family === "tokenizers" ? `${folder}/${basename(path)}` : basename(path);
    const name = part === null ? file : `${file}:${part}`;
    if (kind === "case" && !isWanted({ family, name })) continue;
    try {
      const judged =
        kind === "case"
          ? [replayCase(family, await readCase(family, path), backend, part)]
          : replayRows(
              family,
              name,
              await readText(path),
              backend,
              family === "tokenizers" ? await tokenizerBeside(path, tokenizerDirectory) : tokenizer,
            ).filter(isWanted);
      verdicts.push(...judged);
      yield* judged;
    } catch (error) {
      const broken = brokenVerdict(family, name, error);
      verdicts.push(broken);
      yield broken;
    }
  }
  if (listed === undefined || only !== undefined) return;
  const isRefused = ({ family, slug }: ListedVector): boolean =>
    refused.some((one) => one.family === family && one.name === slug.replace(/:.*/, ""));
  const expected = listed.filter((vector) => !isRefused(vector));
  yield* missingVectors(expected, verdicts);
}

/**
 * Reads the tokenizer for a file of vectors in a directory `NAME`: from the directory `given`, if any, otherwise from
 * `NAME` itself, otherwise from `models/NAME` in the nearest parent directory that contains it.
 *
 * @throws InputError if no directory has a tokenizer, or if its files are invalid; the error has all problems
 */
async function tokenizerBeside(path: string, given: string | undefined): Promise<Tokenizer> {
  const own = dirname(path);
  const model = join("models", basename(own));
  const directory = given ?? (await tokenizerDirectoryOf(own, model));
  if (directory === undefined)
    return refuseInput(
      own,
      "tokenizer.json or vocab.txt beside the vectors, or --tokenizer",
      `neither, and no ${model} above`,
    );
  const files = await readDirectory(nodeStorage, directory, (name) =>
    /^(vocab\.txt|(tokenizer|tokenizer_config|special_tokens_map|added_tokens|config)\.json)$/.test(
      name,
    ),
  );
  return getOrThrow(inDirectory(directory)(readHuggingFaceTokenizer(files)));
}

async function tokenizerDirectoryOf(own: string, model: string): Promise<string | undefined> {
  for (const name of ["tokenizer.json", "vocab.txt"]) {
    if ((await kindOfPath(join(own, name))) === "file") return own;
    const above = await findAbove(own, join(model, name));
    if (above !== undefined) return dirname(above);
  }
  return undefined;
}

async function readCase(family: CaseFamily, directory: string): Promise<CaseFiles> {
  const json = await readPart(join(directory, "case.json"), readText);
  const name = basename(directory);
  if (family === "rows") {
    const data = await readCaseData(directory);
    return { name, json, tensors: new Uint8Array(0), data };
  }
  const path = join(directory, "tensors.safetensors");
  // A case of these families may need no tensors. One that needs them fails without.
  const isWithout = MAY_LACK_TENSORS.includes(family) && (await kindOfPath(path)) !== "file";
  const tensors = isWithout ? writeSafetensors(new Map()) : await readPart(path, readBytes);
  return { name, json, tensors };
}

/** Reads the files of a case of rows, decompressed. */
async function readCaseData(directory: string): Promise<ReadonlyMap<string, CaseData>> {
  const names = (await readdir(directory)).filter((name) => name !== "case.json").sort();
  const entries = names.map(async (name): Promise<[string, CaseData]> => {
    const bytes = await readPart(join(directory, name), readBytes);
    return [name, decompressed(bytes)];
  });
  return new Map(await Promise.all(entries));
}

/** Reads one of the files of a case. @throws CaseFileError if it is missing or cannot be read */
async function readPart<T>(path: string, read: (path: string) => Promise<T>): Promise<T> {
  try {
    return await read(path);
  } catch (error) {
    const isFile = (await kindOfPath(path)) === "file";
    const got = isFile ? toError(error).message : "none";
    const expected = isFile ? "a file that can be read" : "a file";
    throw new CaseFileError({ path: basename(path), expected, got });
  }
}
