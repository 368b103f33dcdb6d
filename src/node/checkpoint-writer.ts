/**
 * Copies of checkpoints on disk. Files are written under a temporary name next to the target, and renamed when all of them
 * are complete.
 */
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
import { refuseInput } from "../core/either.ts";
import { kindOfPath, namingFile, writeAll } from "./files.ts";

/** Source and target of a copy. */
export interface CopyPaths {
  /** The path that was opened. All files of a directory are copied. */
  readonly from: string;
  /** Nothing may be there: a file's path for a file, a directory's for the others. */
  readonly to: string;
}

/** Files that hold the same weights in another form, in any folder; a copy of them would not match the new weights. */
const OTHER_WEIGHTS = new RegExp(
  `^(${[
    "pytorch_model.*\\.(bin|bin\\.index\\.json)",
    "openvino_model.*\\.(bin|xml)",
    ".*\\.ckpt(\\.(index|meta|data-.*))?",
    ".*\\.(h5|msgpack|onnx|onnx_data|tflite|ot|gguf|pth)",
  ].join("|")})$`,
);

/** Checks, before anything is read, that a copy can be made. @throws InputError if it cannot */
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
    await write((bytes, position) => writeAll(descriptor, bytes, position));
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Makes the entries of a directory durable. */
function syncDirectory(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Whether a file holds weights in another form, or names such files; `index` is the one that goes with the copy. */
function isOtherWeights(name: string, index: string | null): boolean {
  if (OTHER_WEIGHTS.test(basename(name))) return true;
  // In a subfolder they may belong to another module, which stays as it is.
  const isOwn = index !== null && basename(index) === name;
  return !isOwn && dirname(name) === "." && /\.safetensors(\.index\.json)?$/.test(name);
}

/** Copies a directory except for the replaced files and other files of weights; returns the names of the latter. */
function copyOtherFiles(
  { from, to }: CopyPaths,
  replaced: readonly string[],
  index: string | null,
): readonly string[] {
  const leftOut: string[] = [];
  cpSync(from, to, {
    recursive: true,
    // Caches of downloads have links for files.
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
 * Puts the files of a copy in their place, all of them or none: in a directory with the other files of `from` if that is
 * a directory, in one with their index if they have one, else the single file itself.
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
 * Writes a copy of a checkpoint with some tensors changed, complete or not at all.
 *
 * @returns names of files that were left out because they hold weights of the original
 * @throws InputError if something is at `to`, the file system's error, or what `turn` rejects with; nothing is left then
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
export function copyCheckpoint({
  from,
  to,
  ...changes
}: TensorChanges & CopyPaths): Promise<readonly string[]> {
  return copySink({ from, to })(copiedFiles(changes));
}
