/** Prunes, packs and unpacks checkpoints on disk. The results are copies; the originals do not change. */

import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";
import {
  type CheckpointRun,
  type PackCheckpointOptions,
  type PackedCheckpoint,
  writePacked,
  writeUnpacked,
} from "../checkpoint/pack.ts";
import { checkPackOptions, PACK_OPTIONS } from "../checkpoint/packed-tensor.ts";
import { type CheckpointPruning, type PrunedCheckpoint, writePruned } from "../checkpoint/prune.ts";
import { checkSignal, type StopSignal } from "../core/abort.ts";
import {
  checkFunction,
  checkInteger,
  checkKind,
  checkObject,
  checkOneOf,
  checkOptions,
  checkRecords,
  checkString,
  isStrings,
  mismatch,
  succeeds,
} from "../core/checks.ts";
import { GLUE_TASK_NAMES } from "../io/glue-tasks.ts";
import { TOKENIZER_KINDS } from "../io/hugging-face.ts";
import { PROFILE_NAMES } from "../prune/profiles.ts";
import { HEADS, WIDTHS } from "../run/narrowed-layers.ts";
import {
  type ShrinkRun,
  type ShrinkSettings,
  type ShrunkModel,
  writeShrunkModel,
} from "../run/shrink-model.ts";
import { COPY_OPTIONS, checkCheckpoint, checkCopy, checkPath, checkScript } from "./arguments.ts";
import { openNamed } from "./checkpoint-reader.ts";
import { type CopyPaths, checkCopyTarget, copySink } from "./checkpoint-writer.ts";
import { kindOfPath } from "./files.ts";
import { findModelOrThrow, type ModelPlace } from "./model-name.ts";
import { pruningThreads } from "./pruning-threads.ts";
import { nodeStorage, storageReadingTwice } from "./storage.ts";
import { turn } from "./turn.ts";

interface CopyOptions extends CopyPaths {
  readonly signal?: StopSignal;
}

/** A checkpoint to pack or unpack, with its path and the path of the result. */
export interface PackingOptions extends Omit<CheckpointRun, "turn">, CopyOptions {}

/** A checkpoint to prune, with its path and the path of the result. */
export interface PruningOptions extends CheckpointPruning, CopyOptions {
  /** Whether to report the size of every tensor after gzip compression, which is slow. Default false. */
  readonly gzip?: boolean;
  /**
   * The number of threads that prune under `strict`, each with at most one tensor in memory. Default 1. More than one thread
   * needs `workerScript`.
   */
  readonly threads?: number;
  /** The script that the threads run, such as the espalier command. By default, this thread does everything. */
  readonly workerScript?: { readonly href: string } | undefined;
}

/**
 * Prunes a checkpoint in one shot into a copy, which is either complete or absent. Under `strict`, in both scopes, each
 * thread has at most one tensor in memory; under `inc`, all layers are in memory. Kept elements and all other tensors
 * keep their bits; headers and other files keep their bytes.
 *
 * @throws InputError if `to` exists, PruningError if the pruners cannot be applied, the file system's error, or the
 *   signal's reason; then the copy is removed
 *
 * @example
 * ```ts
 * import { mkdtempSync } from "node:fs";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import { oneShotConfig } from "espalier/checkpoint";
 * import { tensorFromFloat32, writeSafetensors } from "espalier/io";
 * import { openCheckpointOrThrow, pruneCheckpoint, writeFileAtomically } from "espalier/node";
 *
 * const directory = mkdtempSync(join(tmpdir(), "espalier-"));
 * const [from, to] = [join(directory, "a.safetensors"), join(directory, "b.safetensors")];
 * const weight = tensorFromFloat32("F32", [1, 4], new Float32Array([1, 2, 3, 4]));
 * writeFileAtomically(from, writeSafetensors(new Map([["fc1.weight", weight]])));
 * const checkpoint = await openCheckpointOrThrow(from);
 * const pruners = [oneShotConfig({ pattern: "2:4", targetSparsity: 0.5 })];
 * const options = { pruners, profile: "strict", excludeHead: true, modules: null, gradients: null } as const;
 * const { layers } = await pruneCheckpoint({ checkpoint, from, to, ...options });
 * checkpoint.close();
 * if (layers[0]?.zeros !== 2) throw new Error("expected two zeros");
 * ```
 */
export async function pruneCheckpoint(options: PruningOptions): Promise<PrunedCheckpoint> {
  checkPruning(options);
  const { from, to, signal, gzip = false, threads = 1, workerScript: script, ...pruning } = options;
  const { checkpoint, gradients, profile } = pruning;
  const compressedBytes = gzip ? (bytes: Uint8Array) => gzipSync(bytes).length : null;
  // A checkpoint in a directory may have a name in place of its path.
  const isDirectory = (await kindOfPath(from)) === "directory";
  const path = isDirectory ? join(from, basename(checkpoint.path)) : checkpoint.path;
  const tasks =
    script && threads > 1 && profile === "strict"
      ? pruningThreads({ checkpoint, path, gradients, gzip, threads, script })
      : null;
  try {
    return await writePruned(
      { ...pruning, compressedBytes, tasks, turn: () => turn(signal) },
      copySink({ from, to }),
    );
  } finally {
    await tasks?.stop();
  }
}

const PRUNING_OPTIONS: readonly string[] = Object.keys({
  checkpoint: true,
  from: true,
  to: true,
  pruners: true,
  profile: true,
  gradients: true,
  layers: true,
  exclude: true,
  excludeHead: true,
  evidence: true,
  modules: true,
  kernels: true,
  bandMemory: true,
  gzip: true,
  threads: true,
  workerScript: true,
  signal: true,
  onProgress: true,
} satisfies Record<keyof PruningOptions, true>);

function checkPruning(options: PruningOptions): void {
  checkOptions("options", options, PRUNING_OPTIONS);
  checkCopy(options);
  checkPruners(options.pruners);
  const { profile, gradients, layers, exclude, modules, threads = 1, workerScript } = options;
  checkOneOf("profile", profile, PROFILE_NAMES);
  if (gradients !== null) checkCheckpoint("gradients", gradients);
  for (const [name, expression] of Object.entries({ layers, exclude }))
    checkKind(
      expression === undefined || succeeds(() => isRegExp(expression)),
      name,
      "a RegExp",
      expression,
    );
  checkKind(
    modules === null || isStrings(modules),
    "modules",
    "an array of names, or null",
    modules,
  );
  const { evidence = {}, kernels, bandMemory } = options;
  checkObject("evidence", evidence);
  if (kernels !== undefined) checkObject("kernels", kernels, "writeMaskInto");
  if (bandMemory !== undefined) checkFunction("bandMemory", bandMemory);
  checkInteger("threads", threads, 1);
  if (workerScript !== undefined) checkScript("workerScript", workerScript);
}

/** Whether a value is a regular expression, also one of another realm. */
function isRegExp(value: unknown): boolean {
  return Object.prototype.toString.call(value) === "[object RegExp]";
}

function checkPruners(pruners: PruningOptions["pruners"]): void {
  checkRecords("pruners", pruners, "pattern", "criterion", "targetSparsity", "opNames");
  for (const [i, { pattern }] of pruners.entries())
    checkObject(`pruners[${i}].pattern`, pattern, "kind");
  if (pruners.length === 0) throw new RangeError(mismatch("pruners", "at least one", "none"));
}

/**
 * Packs a checkpoint into one safetensors file with a manifest. Each tensor is stored in its smallest layout. If the
 * checkpoint is a directory, the result is a directory with `model.packed.safetensors` and copies of the other files.
 * The result is either complete or absent.
 *
 * @throws InputError if `to` exists, the file system's error, or the signal's reason; then the copy is removed
 *
 * @example
 * ```ts
 * import { mkdtempSync, readFileSync } from "node:fs";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import { tensorFromFloat32, writeSafetensors } from "espalier/io";
 * import { openCheckpointOrThrow, packCheckpoint, unpackCheckpoint, writeFileAtomically } from "espalier/node";
 *
 * const directory = mkdtempSync(join(tmpdir(), "espalier-"));
 * const path = (name: string): string => join(directory, `${name}.safetensors`);
 * const weight = tensorFromFloat32("F32", [16, 4], new Float32Array(64).fill(1, 8, 12));
 * writeFileAtomically(path("a"), writeSafetensors(new Map([["w", weight]]), { format: "pt" }));
 * const dense = await openCheckpointOrThrow(path("a"));
 * const { tensors } = await packCheckpoint({ checkpoint: dense, from: path("a"), to: path("b") });
 * dense.close();
 * if (tensors[0]?.packedBytes !== 24) throw new Error("expected 64 bits, and four values");
 * const packed = await openCheckpointOrThrow(path("b"));
 * await unpackCheckpoint({ checkpoint: packed, from: path("b"), to: path("c") });
 * packed.close();
 * if (!readFileSync(path("a")).equals(readFileSync(path("c")))) throw new Error("expected the same bytes");
 * ```
 */
export async function packCheckpoint(
  options: PackingOptions & PackCheckpointOptions,
): Promise<PackedCheckpoint> {
  checkOptions("options", options, [...COPY_OPTIONS, ...PACK_OPTIONS, "embeddingBits", "evidence"]);
  checkCopy(options);
  checkPackOptions(options);
  const { embeddingBits, evidence = {}, int8 = false } = options;
  checkObject("evidence", evidence);
  if (embeddingBits !== undefined) {
    checkInteger("embeddingBits", embeddingBits, 2, 8);
    if (!int8) throw new RangeError(mismatch("embeddingBits", "int8 beside it", "none"));
  }
  const { from, to, signal, ...packing } = options;
  return writePacked({ ...packing, turn: () => turn(signal) }, copySink({ from, to }));
}

/**
 * Unpacks a packed checkpoint into a plain one. If the checkpoint is a directory, the result is a directory with
 * `model.safetensors` and copies of the other files. A checkpoint that is not packed is copied. The result is either
 * complete or absent.
 *
 * @returns names of files that were not copied because they hold the original weights
 * @throws the same errors as {@link packCheckpoint}; InputError if the arrays of a packed tensor are inconsistent
 */
export async function unpackCheckpoint(options: PackingOptions): Promise<readonly string[]> {
  checkOptions("options", options, COPY_OPTIONS);
  checkCopy(options);
  const { from, to, signal, ...run } = options;
  return writeUnpacked({ ...run, turn: () => turn(signal) }, copySink({ from, to }));
}

/** A model to shrink. */
export interface ShrinkOptions extends ShrinkSettings {
  /** The path of a directory, or the name of a model in the Hugging Face cache. */
  readonly from: string;
  /** The path of the result. Nothing may exist there. */
  readonly to: string;
  readonly signal?: StopSignal | undefined;
}

const SHRINK_OPTIONS: readonly string[] = Object.keys({
  from: true,
  to: true,
  widths: true,
  align: true,
  multiple: true,
  heads: true,
  vocabularyFrom: true,
  keep: true,
  check: true,
  task: true,
  tokenizer: true,
  rowOptions: true,
  signal: true,
  onProgress: true,
} satisfies Record<keyof ShrinkOptions, true>);

function checkShrinkOptions(options: ShrinkOptions): void {
  checkOptions("options", options, SHRINK_OPTIONS);
  const { from, to, widths, align, multiple, heads, vocabularyFrom, keep, check } = options;
  const { task, tokenizer, rowOptions, signal, onProgress } = options;
  checkString("from", from);
  checkPath("to", to);
  for (const [name, paths] of Object.entries({ vocabularyFrom, check }))
    checkKind(paths === undefined || isStrings(paths), name, "an array of paths", paths);
  if (widths !== undefined) checkOneOf("widths", widths, WIDTHS);
  if (align !== undefined) checkInteger("align", align, 1);
  if (multiple !== undefined) checkInteger("multiple", multiple, 1);
  if (heads !== undefined) checkOneOf("heads", heads, HEADS);
  if (keep !== undefined) checkInteger("keep", keep);
  if (task !== undefined) checkOneOf("task", task, GLUE_TASK_NAMES);
  if (tokenizer !== undefined) checkOneOf("tokenizer", tokenizer, TOKENIZER_KINDS);
  if (rowOptions !== undefined) checkObject("rowOptions", rowOptions);
  if (signal !== undefined) checkSignal("signal", signal);
  if (onProgress !== undefined) checkFunction("onProgress", onProgress);
}

/**
 * Writes a copy of a model directory without tokens that texts do not use, and without channels and heads that are
 * zero. The copy is a plain model of the same kind, either complete or absent. A text whose tokens all stay has the same
 * logits, but for the rounding of sums if channels or heads are removed.
 * See `espalier shrink` for what stays.
 *
 * @throws InputError if `to` exists, if nothing is to be removed, or if files do not fit; the file system's error, or
 *   the signal's reason
 *
 * @example
 * ```ts
 * import { shrinkModel } from "espalier/node";
 *
 * const options = { from: "no-such-model", to: "small", vocabularyFrom: ["train.csv"] };
 * const problem = await shrinkModel(options).catch((error: Error) => error);
 * console.assert(problem instanceof Error && problem.message.includes("no-such-model"));
 * ```
 */
export async function shrinkModel(options: ShrinkOptions): Promise<ShrunkModel> {
  checkShrinkOptions(options);
  const { from, to, ...settings } = options;
  const place = await findModelOrThrow("from", from, "a checkpoint");
  checkCopyTarget({ from: place.path, to });
  return shrinkPlace(place, to, settings);
}

/** Shrinks a model that was found. */
export function shrinkPlace(
  place: ModelPlace,
  to: string,
  { signal, ...settings }: Omit<ShrinkOptions, "from" | "to"> & Pick<ShrinkRun, "onRows">,
): Promise<ShrunkModel> {
  return writeShrunkModel({
    ...settings,
    storage: nodeStorage,
    readingTwice: storageReadingTwice,
    place,
    open: () => openNamed(place),
    sink: copySink({ from: place.path, to }),
    turn: () => turn(signal),
  });
}
