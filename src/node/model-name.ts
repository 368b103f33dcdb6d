/** Decides what the name of a model means: a path, or a model in the local Hugging Face cache. Nothing is downloaded. */

import { readdir, readlink } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, join } from "node:path";
import {
  type Either,
  eachOf,
  getOrThrow,
  isLeft,
  type Problem,
  refuse,
  right,
} from "../core/either.ts";
import { HUGGING_FACE_FILES } from "../io/hugging-face.ts";
import { parseShardIndex } from "../io/shard-index.ts";
import { findWeights, isWeightFile } from "../run/stored-checkpoint.ts";
import { kindOfPath, readBytes, readText } from "./files.ts";

/** A model with its place on disk. */
export interface ModelPlace {
  /** The given path or name, which messages and titles show. */
  readonly name: string;
  /** The path of the file or directory; of a model in the cache, its snapshot. */
  readonly path: string;
  readonly isCached: boolean;
}

/** The name of a model on the hub. */
interface HubName {
  /** `organisation/model`, or `model` alone. */
  readonly repository: string;
  /** A branch, a tag or a commit; undefined for the branch `main`. */
  readonly revision: string | undefined;
}

/** The names that the hub allows, apart from `--`, `..` and the ending `.git`. */
const REPOSITORY = /^(\b[\w.-]+\b\/)?\b[\w.-]{1,96}\b$/;
/** Names that are those of files. */
const FILE = /\.(git|safetensors|bin|json|pt|pth|ckpt)$/i;

/** Parses `organisation/model` or `model`, each also with `@revision`; undefined for anything else. */
function parseHubName(text: string): HubName | undefined {
  const [repository = "", revision] = text.split(/@(.*)/s);
  const isName = REPOSITORY.test(repository) && !/--|\.\./.test(repository);
  if (!isName || FILE.test(repository)) return undefined;
  const isRevision = revision === undefined || /^[\w.+-]+(\/[\w.+-]+)*$/.test(revision);
  if (!isRevision || revision?.split("/").some((part) => /^\.+$/.test(part))) return undefined;
  return { repository, revision };
}

type Variables = Readonly<Record<string, string | undefined>>;

/** Returns the directory of the cache, which the same variables name as for huggingface_hub. Empty ones are ignored. */
function cacheDirectory(variables: Variables): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME } = variables;
  const caches = XDG_CACHE_HOME || join("~", ".cache");
  const home = HF_HOME || join(caches, "huggingface");
  return expanded(HF_HUB_CACHE || HUGGINGFACE_HUB_CACHE || join(home, "hub"), variables);
}

/** Replaces `~` at the beginning of a path, and variables in it. */
function expanded(path: string, variables: Variables): string {
  return path
    .replace(/^~(?=[/\\]|$)/, () => homedir())
    .replace(/\$(?:(\w+)|\{(\w+)\})/g, (text, plain?: string, braced?: string) => {
      return variables[plain ?? braced ?? ""] ?? text;
    });
}

/** Returns the command that downloads a model into the cache. */
function downloadCommand({ repository, revision }: HubName): string {
  return `hf download ${repository}${revision === undefined ? "" : ` --revision ${revision}`}`;
}

/** Returns the snapshot of a model in the cache, or a text that says what there is not. */
async function findSnapshot(
  cache: string,
  { repository, revision = "main" }: HubName,
): Promise<{ readonly path: string } | string> {
  const folder = `models--${repository.replace("/", "--")}`;
  const path = join(cache, folder);
  if ((await kindOfPath(path)) !== "directory") return `no ${folder} in ${cache}`;
  const reference = join(path, "refs", revision);
  const isReference = (await kindOfPath(reference)) === "file";
  const commit = isReference ? (await readText(reference)).trim() : revision;
  const snapshot = join(path, "snapshots", commit);
  const isThere = /^\w+$/.test(commit) && (await kindOfPath(snapshot)) === "directory";
  if (isThere) return { path: snapshot };
  return isReference
    ? `no snapshots/${commit} in ${path}, which refs/${revision} names`
    : `no refs/${revision} in ${path}`;
}

/** Whether a file of a snapshot is read: config.json, the tokenizer's, weights. */
function isRead(file: string): boolean {
  return Object.values<string>(HUGGING_FACE_FILES).includes(file) || isWeightFile(file);
}

/** Returns a text that says what a snapshot lacks; undefined if it is complete. */
async function missingFrom(snapshot: string): Promise<string | undefined> {
  for (const file of (await readdir(snapshot)).filter(isRead)) {
    const path = join(snapshot, file);
    if ((await kindOfPath(path)) !== "nothing") continue;
    return `${file} is a link to ${await readlink(path)}, which does not exist`;
  }
  const { config } = HUGGING_FACE_FILES;
  if ((await kindOfPath(join(snapshot, config))) !== "file") return `no ${config}`;
  const weights = await findWeights({ kind: kindOfPath }, snapshot);
  if (isLeft(weights)) return "no weights in a form that is read";
  return weights.right.endsWith(".index.json") ? missingShard(weights.right) : undefined;
}

/** Returns a text that says which file of an index is missing. An index that cannot be read is refused when it is opened. */
async function missingShard(path: string): Promise<string | undefined> {
  const extension = path.endsWith(".bin.index.json") ? "bin" : "safetensors";
  const index = parseShardIndex(path, await readBytes(path), extension);
  if (isLeft(index)) return undefined;
  for (const file of new Set(index.right.files.values()))
    if ((await kindOfPath(join(dirname(path), file))) !== "file")
      return `no ${file}, which ${basename(path)} lists,`;
  return undefined;
}

/**
 * Finds a model by its path or by its name on the hub. A path that exists takes precedence. A text that is neither a
 * path that exists nor a name is returned as a path.
 *
 * @param label the option in problems
 * @param expected what the option takes besides names
 */
export async function findModel(
  label: string,
  given: string,
  expected: "a directory" | "a checkpoint" = "a directory",
): Promise<Either<readonly Problem[], ModelPlace>> {
  const hubName = parseHubName(given);
  if (hubName === undefined || (await kindOfPath(given)) !== "nothing")
    return right({ name: given, path: given, isCached: false });
  const snapshot = await findSnapshot(cacheDirectory(process.env), hubName);
  const command = downloadCommand(hubName);
  if (typeof snapshot === "string") {
    const got = `${given} (no such path, and ${snapshot}); to download it: ${command}`;
    return refuse(label, `${expected}, or a model in the Hugging Face cache`, got);
  }
  const missing = await missingFrom(snapshot.path);
  if (missing !== undefined) {
    const got = `${missing} in ${snapshot.path}; to download it: ${command}`;
    return refuse(label, `a complete snapshot of ${given} in the Hugging Face cache`, got);
  }
  return right({ name: given, path: snapshot.path, isCached: true });
}

/**
 * Finds the models that options name; values that are no texts are left out.
 *
 * @param given what each option names, by the option in problems
 * @throws InputError with all problems
 */
export async function findModelsOrThrow(
  given: Readonly<Record<string, unknown>>,
): Promise<readonly ModelPlace[]> {
  const found = await Promise.all(
    Object.entries(given).flatMap(([label, model]) =>
      typeof model === "string" ? [findModel(label, model)] : [],
    ),
  );
  return getOrThrow(eachOf(found, (place) => place));
}

/** Like {@link findModel}, but throws an `InputError` with the problem. */
export async function findModelOrThrow(
  label: string,
  given: string,
  expected?: "a directory" | "a checkpoint",
): Promise<ModelPlace> {
  return getOrThrow(await findModel(label, given, expected));
}
