/** Packing of a checkpoint on disk into one file with compressed layouts, and unpacking, a tensor in memory at a time. */
import { basename } from "node:path";
import type { Checkpoint, CheckpointEntry } from "../checkpoint/checkpoint.ts";
import { PACKED_WEIGHTS } from "../checkpoint/packed-checkpoint.ts";
import {
  describeStored,
  formatManifest,
  PACKED_METADATA,
  type PackedEntry,
} from "../checkpoint/packed-manifest.ts";
import {
  type PackedTensor,
  type PackOptions,
  packTensor,
  type RoundingError,
} from "../checkpoint/packed-tensor.ts";
import { InputError } from "../core/either.ts";
import { layOutSafetensors, type TensorSize } from "../io/safetensors.ts";
import type { LayoutSpec } from "../sparse/layout.ts";
import { type CopiedFile, copyCheckpoint, writeCopy } from "./checkpoint-writer.ts";
import { writeAll } from "./files.ts";
import { turn } from "./turn.ts";

/** What is packed how, and where the result goes. */
export interface CheckpointPacking extends PackOptions {
  readonly checkpoint: Checkpoint;
  /** The path that was opened: of a directory all files are copied. */
  readonly from: string;
  /** Nothing may be there yet. */
  readonly to: string;
  readonly signal?: AbortSignal;
  /** Told of bytes of tensors that were read, and how many there will be in all. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** A tensor in the packed file. */
export interface PackedCheckpointTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** `dense` where it is stored as it was. */
  readonly layout: string;
  readonly bytes: number;
  readonly packedBytes: number;
  /** Null where every bit is kept. */
  readonly error: RoundingError | null;
}

/** An entry of a file's metadata that is not kept: an earlier file's has the same key and another value. */
export interface LostMetadata {
  readonly file: string;
  readonly key: string;
  readonly value: string;
  /** The earlier file's value. */
  readonly kept: string;
}

/** What became of a checkpoint. */
export interface PackedCheckpoint {
  readonly tensors: readonly PackedCheckpointTensor[];
  /** Names of tensors that share another's memory and are not written again, by the other's name. */
  readonly tied: Readonly<Record<string, string>>;
  /** Files that were not copied, because they hold weights of the original. */
  readonly leftOut: readonly string[];
  /** Of several files, what their metadata disagree on. */
  readonly lostMetadata: readonly LostMetadata[];
}

/** The layouts to choose from when the choice is made. */
function decided(entry: PackedEntry | null): readonly LayoutSpec[] {
  if (entry === null) return [];
  const { stored } = entry;
  switch (stored.layout) {
    case "dense":
      return [];
    case "quantized":
      return [{ layout: "blocks", block: stored.block }];
    default:
      return [stored];
  }
}

/** The metadata of all files, and what is not among them since an earlier file has the key with another value. */
function mergedMetadata({ files, layout }: Checkpoint): {
  readonly metadata: Readonly<Record<string, string>>;
  readonly lost: readonly LostMetadata[];
} {
  // What transformers asks of a file before it loads it.
  const merged = new Map(layout === "torch" ? [["format", "pt"]] : []);
  const lost: LostMetadata[] = [];
  for (const { name: file, metadata } of files)
    for (const [key, value] of Object.entries(metadata)) {
      const kept = merged.get(key);
      if (kept === undefined) merged.set(key, value);
      else if (kept !== value) lost.push({ file, key, value, kept });
    }
  return { metadata: Object.fromEntries(merged), lost };
}

/** What is known of each tensor after the first pass: where its parts go, not what is in them. */
interface Layouts {
  readonly tensors: readonly PackedCheckpointTensor[];
  readonly entries: ReadonlyMap<string, PackedEntry | null>;
  readonly sizes: ReadonlyMap<string, TensorSize>;
}

async function decideLayouts(
  packing: CheckpointPacking,
  packOne: (entry: CheckpointEntry, layouts?: readonly LayoutSpec[]) => Promise<PackedTensor>,
): Promise<Layouts> {
  const names = new Set(packing.checkpoint.entries.map(({ name }) => name));
  const tensors: PackedCheckpointTensor[] = [];
  const entries = new Map<string, PackedEntry | null>();
  const sizes = new Map<string, TensorSize>();
  for (const tensor of packing.checkpoint.entries) {
    const { entry, parts, error } = await packOne(tensor);
    const { name, shape, begin, end } = tensor;
    entries.set(name, entry);
    let packedBytes = 0;
    for (const [part, { dtype, shape: extents, bytes }] of parts) {
      if (sizes.has(part) || (part !== name && names.has(part)))
        throw new InputError([
          { path: part, expected: "a name that no part of a packed tensor has", got: "two of it" },
        ]);
      sizes.set(part, { dtype, shape: extents, byteLength: bytes.length });
      packedBytes += bytes.length;
    }
    tensors.push({
      name,
      shape,
      layout: entry === null ? "dense" : describeStored(entry),
      bytes: end - begin,
      packedBytes,
      error,
    });
  }
  return { tensors, entries, sizes };
}

/**
 * Packs a checkpoint into one file of safetensors with a manifest, complete or not there at all: each tensor in the
 * smallest of the layouts. Of a directory the other files are copied, and the weights are `model.packed.safetensors`.
 * The tensors are read twice, one at a time: first for the layouts, then to be written.
 *
 * @throws InputError where something is at `to`, the file system's error, or the signal's reason; nothing is left then
 *
 * @example
 * ```ts
 * import { mkdtempSync } from "node:fs";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import { tensorFromFloat32, toFloat32, writeSafetensors } from "espalier/io";
 * import { openCheckpointOrThrow, packCheckpoint, writeFileAtomically } from "espalier/node";
 *
 * const directory = mkdtempSync(join(tmpdir(), "espalier-"));
 * const [from, to] = [join(directory, "a.safetensors"), join(directory, "b.safetensors")];
 * const values = new Float32Array(64).fill(1, 8, 12);
 * writeFileAtomically(from, writeSafetensors(new Map([["w", tensorFromFloat32("F32", [16, 4], values)]])));
 * const checkpoint = await openCheckpointOrThrow(from);
 * const { tensors } = await packCheckpoint({ checkpoint, from, to });
 * checkpoint.close();
 * if (tensors[0]?.packedBytes !== 24) throw new Error("expected 64 bits, and four values");
 * const packed = await openCheckpointOrThrow(to);
 * const [entry] = packed.entries;
 * if (entry === undefined || toFloat32(packed.read(entry)).join() !== values.join())
 *   throw new Error("expected the same weight");
 * packed.close();
 * ```
 */
export async function packCheckpoint(packing: CheckpointPacking): Promise<PackedCheckpoint> {
  const { checkpoint, from, to, signal, onProgress, ...options } = packing;
  const total = 2 * checkpoint.entries.reduce((sum, { begin, end }) => sum + end - begin, 0);
  let done = 0;
  const packOne = async (
    entry: CheckpointEntry,
    layouts = options.layouts,
  ): Promise<PackedTensor> => {
    await turn(signal);
    const own: PackOptions = layouts === undefined ? options : { ...options, layouts };
    const packed = packTensor(entry.name, checkpoint.read(entry), own);
    done += entry.end - entry.begin;
    onProgress?.(done, total);
    return packed;
  };
  const { tensors, entries, sizes } = await decideLayouts(packing, packOne);
  const manifest = new Map<string, PackedEntry>();
  for (const [name, entry] of entries) if (entry !== null) manifest.set(name, entry);
  const { metadata, lost: lostMetadata } = mergedMetadata(checkpoint);
  const { header, order } = layOutSafetensors(sizes, {
    ...metadata,
    [PACKED_METADATA]: formatManifest(manifest),
  });
  const places = new Map<string, number>();
  let end = header.length;
  for (const part of order) {
    places.set(part, end);
    end += sizes.get(part)?.byteLength ?? 0;
  }
  const file: CopiedFile = {
    name: PACKED_WEIGHTS,
    write: async (descriptor) => {
      writeAll(descriptor, header, 0);
      for (const entry of checkpoint.entries) {
        const { parts } = await packOne(entry, decided(entries.get(entry.name) ?? null));
        for (const [part, { bytes }] of parts) {
          const place = places.get(part);
          const length = sizes.get(part)?.byteLength;
          if (place === undefined || length !== bytes.length)
            throw new Error(
              `${part}: expected ${length ?? 0} bytes as before, got ${bytes.length}; has the file changed?`,
            );
          writeAll(descriptor, bytes, place);
        }
      }
    },
  };
  // The path is that of the index where there is one.
  const replaced = new Set([
    ...checkpoint.files.map(({ name }) => name),
    basename(checkpoint.path),
  ]);
  const leftOut = await writeCopy(from, to, { files: [file], replaced, index: null });
  return { tensors, tied: Object.fromEntries(checkpoint.tied), leftOut, lostMetadata };
}

/**
 * Unpacks a packed checkpoint into a plain one, complete or not there at all: of a directory the other files are copied,
 * and the weights are `model.safetensors`. One that is not packed is copied.
 *
 * @returns names of files that were not copied, because they hold weights of the original
 * @throws as {@link packCheckpoint}; InputError where a packed tensor's arrays do not fit together
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
 * const [from, packed, to] = ["a", "b", "c"].map((name) => join(directory, `${name}.safetensors`)) as [
 *   string,
 *   string,
 *   string,
 * ];
 * const weight = tensorFromFloat32("F32", [16, 4], new Float32Array(64).fill(1, 8, 12));
 * writeFileAtomically(from, writeSafetensors(new Map([["w", weight]]), { format: "pt" }));
 * const dense = await openCheckpointOrThrow(from);
 * await packCheckpoint({ checkpoint: dense, from, to: packed });
 * dense.close();
 * const checkpoint = await openCheckpointOrThrow(packed);
 * await unpackCheckpoint({ checkpoint, from: packed, to });
 * checkpoint.close();
 * if (!readFileSync(from).equals(readFileSync(to))) throw new Error("expected the same bytes");
 * ```
 */
export function unpackCheckpoint(
  packing: Pick<CheckpointPacking, "checkpoint" | "from" | "to" | "signal" | "onProgress">,
): Promise<readonly string[]> {
  const { checkpoint, from, to, signal, onProgress } = packing;
  const total = checkpoint.entries.reduce((sum, { begin, end }) => sum + end - begin, 0);
  let done = 0;
  return copyCheckpoint({
    ...{ checkpoint, from, to },
    change: (_, { bytes }) => {
      done += bytes.length;
      onProgress?.(done, total);
      return bytes;
    },
    turn: () => turn(signal),
  });
}
