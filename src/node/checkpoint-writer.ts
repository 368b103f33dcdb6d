/** Writes copies of checkpoints. A copy has a temporary name next to its target, and is renamed when it is complete. */
import {
  closeSync,
  cpSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
} from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import {
  type CopiedFile,
  type CopySink,
  copiedFiles,
  type TensorChanges,
} from "../checkpoint/copy.ts";
import { checkFunction, checkOptions } from "../core/checks.ts";
import { refuseInput } from "../core/either.ts";
import { checkCopy } from "./arguments.ts";
import { kindOfPath, namingFile, writeAll } from "./files.ts";

export interface CopyPaths {
  /** The path of the checkpoint to copy. If it is a directory, all its files are copied. */
  readonly from: string;
  /** The path of the copy, which must not exist. The copy is a directory if `from` is a directory or an index. */
  readonly to: string;
}

/**
 * Matches files, in any folder, with the same weights in other formats. Copies of these files would not match the new
 * weights.
 */
const OTHER_WEIGHTS = new RegExp(
  `^(${[
    "pytorch_model.*\\.(bin|bin\\.index\\.json)",
    "openvino_model.*\\.(bin|xml)",
    ".*\\.ckpt(\\.(index|meta|data-.*))?",
    ".*\\.(h5|msgpack|onnx|onnx_data|tflite|ot|gguf|pth)",
  ].join("|")})$`,
);

/** Checks the target of a copy before anything is read. @throws InputError if the copy cannot be written there */
export function checkCopyTarget({ from, to }: CopyPaths): void {
  if (existsSync(to)) refuseInput(to, "a path where nothing is yet", "one that exists");
  if (!existsSync(dirname(resolve(to))))
    refuseInput(to, "a path in a directory that exists", "none");
  const inside = relative(resolve(from), resolve(to));
  if (inside === "" || !inside.startsWith(".."))
    refuseInput(to, "a path outside of what is copied", `one in ${from}`);
}

async function writeFile({ write }: CopiedFile, path: string): Promise<void> {
  const descriptor = openSync(path, "wx");
  try {
    await write((bytes, position) => writeAll(descriptor, bytes, position), descriptor);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Flushes a directory to disk, so that its new and renamed entries survive a crash. */
function syncDirectory(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Whether a file contains weights that the copy replaces, or is their index. `index` is the index to copy, if any. */
function isOtherWeights(name: string, index: string | null): boolean {
  if (OTHER_WEIGHTS.test(basename(name))) return true;
  // Safetensors files in a subfolder may belong to another module, whose weights stay the same.
  const isOwn = index !== null && basename(index) === name;
  return !isOwn && dirname(name) === "." && /\.safetensors(\.index\.json)?$/.test(name);
}

/**
 * Copies a directory, except for the replaced files and other weight files. Returns the names of those weight files.
 */
function copyOtherFiles(
  { from, to }: CopyPaths,
  replaced: readonly string[],
  index: string | null,
): readonly string[] {
  const leftOut: string[] = [];
  cpSync(from, to, {
    recursive: true,
    // Directories in download caches contain links instead of files.
    dereference: true,
    filter: (source) => {
      const name = relative(from, source);
      if (replaced.includes(name)) return false;
      if (!isOtherWeights(name, index)) return true;
      leftOut.push(name);
      return false;
    },
  });
  return leftOut;
}

/**
 * Returns a sink that writes a copy to `to`, either completely or not at all. If `from` is a directory, `to` becomes a
 * directory that also contains the other files of `from`. If `from` is an index, `to` becomes a directory with the
 * index. Otherwise `to` becomes a single file.
 */
export function copySink({ from, to }: CopyPaths): CopySink {
  return async ({ files, replaced, index }) => {
    checkCopyTarget({ from, to });
    const temporary = join(dirname(resolve(to)), `.${basename(to)}.${process.pid}.tmp`);
    rmSync(temporary, { recursive: true, force: true });
    try {
      let leftOut: readonly string[] = [];
      const [only] = files;
      const isDirectory = (await kindOfPath(from)) === "directory";
      if (!isDirectory && index === null) {
        if (only !== undefined) await writeFile(only, temporary);
      } else {
        mkdirSync(temporary);
        if (isDirectory) leftOut = copyOtherFiles({ from, to: temporary }, replaced, index);
        else if (index !== null) cpSync(index, join(temporary, basename(index)));
        for (const file of files) await writeFile(file, join(temporary, file.name));
        syncDirectory(temporary);
      }
      checkCopyTarget({ from, to });
      renameSync(temporary, to);
      syncDirectory(dirname(resolve(to)));
      return leftOut;
    } catch (error) {
      rmSync(temporary, { recursive: true, force: true });
      throw namingFile(to, error);
    }
  };
}

/**
 * Writes a copy of a checkpoint with some tensors changed. The copy is either complete or absent.
 *
 * @returns names of files that were not copied because they hold the original weights
 * @throws InputError if `to` exists, the file system's error, or the rejection of `turn`; then the copy is removed
 *
 * @example
 * ```ts
 * import { mkdtempSync, readFileSync } from "node:fs";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import { tensorFromFloat32, writeSafetensors } from "espalier/io";
 * import { copyCheckpoint, openCheckpointOrThrow, writeFileAtomically } from "espalier/node";
 *
 * const directory = mkdtempSync(join(tmpdir(), "espalier-"));
 * const [from, to] = [join(directory, "a.safetensors"), join(directory, "b.safetensors")];
 * const weight = tensorFromFloat32("F32", [2], new Float32Array([1, 2]));
 * writeFileAtomically(from, writeSafetensors(new Map([["weight", weight]])));
 * const checkpoint = await openCheckpointOrThrow(from);
 * await copyCheckpoint({ checkpoint, from, to, change: (_, { bytes }) => bytes.fill(0) });
 * checkpoint.close();
 * if (readFileSync(to).at(-1) !== 0) throw new Error("expected zeros");
 * ```
 */
export async function copyCheckpoint(
  options: TensorChanges & CopyPaths,
): Promise<readonly string[]> {
  checkOptions("options", options, ["checkpoint", "from", "to", "change", "turn"]);
  checkCopy(options);
  const { from, to, ...changes } = options;
  checkFunction("change", changes.change);
  if (changes.turn !== undefined) checkFunction("turn", changes.turn);
  return copySink({ from, to })(copiedFiles(changes));
}
