/**
 * Packs a checkpoint into one file with compressed layouts, and unpacks such a file, with one tensor in memory at a
 * time.
 */
import { InputError } from "../core/either.ts";
import { sumOf } from "../core/sum.ts";
import { layOutSafetensors, type TensorSize } from "../io/safetensors.ts";
import type { LayoutSpec } from "../sparse/layout.ts";
import type { Checkpoint, CheckpointEntry } from "./checkpoint.ts";
import { addedMetadata, type CopiedFile, type CopySink, copiedFiles, fileNames } from "./copy.ts";
import type { TensorRole } from "./model-roles.ts";
import { PACKED_WEIGHTS } from "./packed-checkpoint.ts";
import {
  CHECKSUM_METADATA,
  checkedNames,
  checksumOf,
  formatChecksums,
} from "./packed-checksums.ts";
import {
  describeStored,
  formatManifest,
  PACKED_METADATA,
  type PackedEntry,
} from "./packed-manifest.ts";
import {
  type PackedTensor,
  type PackOptions,
  packTensor,
  type RoundingError,
} from "./packed-tensor.ts";
import { isMatrixRole, type TensorFacts } from "./roles.ts";
import { type ModelEvidence, surveyCheckpoint } from "./survey.ts";

/** A checkpoint to pack or to unpack. */
export interface CheckpointRun {
  readonly checkpoint: Checkpoint;
  /** Awaited before each tensor, to let other work run. If it rejects, the run stops and leaves no output. */
  readonly turn?: (() => Promise<void>) | undefined;
  /** Called with the number of tensor bytes read so far, and the total number to read. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Options that determine how the tensors of a checkpoint are packed. */
export interface PackCheckpointOptions extends PackOptions {
  /**
   * With `int8`, the bits that the integers of embeddings use, from 2 to 8. The embeddings of a sparse model are most of
   * its bytes. Default: `bits`.
   */
  readonly embeddingBits?: number;
  /** Information that decides which tensors are embeddings. */
  readonly evidence?: ModelEvidence;
}

interface PackedCheckpointTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** How the tensor is stored, such as `4x1 F16`; `dense` if it is unchanged. */
  readonly layout: string;
  readonly bytes: number;
  readonly packedBytes: number;
  /** The rounding error; null if the tensor is packed without loss. */
  readonly error: RoundingError | null;
}

/** A metadata entry that is lost because an earlier file has a different value for its key. */
interface LostMetadata {
  readonly file: string;
  readonly key: string;
  readonly value: string;
  readonly kept: string;
}

/** The result of packing a checkpoint. */
export interface PackedCheckpoint {
  readonly tensors: readonly PackedCheckpointTensor[];
  /** Other names of tensors that share memory, each mapped to the name that is written. */
  readonly tied: Readonly<Record<string, string>>;
  /** Files that were not copied because they hold the original weights. */
  readonly leftOut: readonly string[];
  readonly lostMetadata: readonly LostMetadata[];
}

/** Returns the layouts to try when a tensor is written in the second pass: only the layout chosen in the first pass. */
function chosen(entry: PackedEntry | null): readonly LayoutSpec[] {
  if (entry === null) return [];
  const { stored } = entry;
  switch (stored.layout) {
    case "dense":
      return [];
    case "quantized":
    case "int8":
      return stored.block === undefined ? [] : [{ layout: "blocks", block: stored.block }];
    default:
      return [stored];
  }
}

/** Merges the metadata of all files. Earlier files take precedence. */
export function mergedMetadata(checkpoint: Checkpoint): {
  readonly metadata: Readonly<Record<string, string>>;
  readonly lost: readonly LostMetadata[];
} {
  const merged = new Map(Object.entries(addedMetadata(checkpoint)));
  const lost: LostMetadata[] = [];
  for (const { name: file, metadata } of checkpoint.files)
    for (const [key, value] of Object.entries(metadata)) {
      const kept = merged.get(key);
      if (kept === undefined) merged.set(key, value);
      else if (kept !== value) lost.push({ file, key, value, kept });
    }
  return { metadata: Object.fromEntries(merged), lost };
}

/** Returns the options for each tensor. @throws InputError if the roles of tensors cannot be decided */
function tensorOptions(
  checkpoint: Checkpoint,
  { embeddingBits, evidence, ...options }: PackCheckpointOptions,
): (name: string) => PackOptions {
  if (embeddingBits === undefined) return () => options;
  const embeddings = new Set(
    surveyCheckpoint(checkpoint, evidence)
      .filter(({ role }) => role === "embedding")
      .map(({ name }) => name),
  );
  const own: PackOptions = { ...options, bits: embeddingBits };
  return (name) => (embeddings.has(name) ? own : options);
}

type PackOne = (entry: CheckpointEntry, layouts?: readonly LayoutSpec[]) => Promise<PackedTensor>;

/** What the first pass keeps of the packed tensors. */
interface ChosenLayouts {
  readonly tensors: readonly PackedCheckpointTensor[];
  readonly entries: ReadonlyMap<string, PackedEntry | null>;
  readonly checksums: ReadonlyMap<string, string>;
  readonly sizes: ReadonlyMap<string, TensorSize>;
}

/** Determines the layouts, checksums and sizes of all tensors, without keeping their data. */
async function chooseLayouts(checkpoint: Checkpoint, packOne: PackOne): Promise<ChosenLayouts> {
  const names = new Set(checkpoint.entries.map(({ name }) => name));
  const tensors: PackedCheckpointTensor[] = [];
  const entries = new Map<string, PackedEntry | null>();
  const checksums = new Map<string, string>();
  const sizes = new Map<string, TensorSize>();
  for (const tensor of checkpoint.entries) {
    const { entry, parts, error } = await packOne(tensor);
    const { name, shape, begin, end } = tensor;
    entries.set(name, entry);
    const stored = new Map(parts);
    const checked = checkedNames(name, entry).flatMap((part) => stored.get(part)?.bytes ?? []);
    checksums.set(name, checksumOf(checked));
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
  return { tensors, entries, checksums, sizes };
}

/**
 * Packs a checkpoint into one safetensors file with a manifest. Each tensor gets its smallest layout. Tensors are read
 * twice, one at a time: first to choose the layouts, then to write them.
 *
 * @throws errors from the sink or `turn`; RangeError if rounding makes a finite element infinite
 */
export async function writePacked(
  { checkpoint, turn, onProgress, ...options }: CheckpointRun & PackCheckpointOptions,
  sink: CopySink,
): Promise<PackedCheckpoint> {
  const total = 2 * sumOf(checkpoint.entries, ({ begin, end }) => end - begin);
  let done = 0;
  const optionsOf = tensorOptions(checkpoint, options);
  const packOne: PackOne = async (entry, layouts) => {
    await turn?.();
    const own = { ...optionsOf(entry.name), ...(layouts && { layouts }) };
    const packed = packTensor(entry.name, checkpoint.read(entry), own);
    done += entry.end - entry.begin;
    onProgress?.(done, total);
    return packed;
  };
  const layouts = await chooseLayouts(checkpoint, packOne);
  const { tensors, entries, sizes } = layouts;
  const { metadata, lost: lostMetadata } = mergedMetadata(checkpoint);
  const { header, order } = packedHeader(metadata, layouts);
  const places = new Map<string, number>();
  let end = header.length;
  for (const part of order) {
    places.set(part, end);
    end += sizes.get(part)?.byteLength ?? 0;
  }
  const file: CopiedFile = {
    name: PACKED_WEIGHTS,
    write: async (put) => {
      put(header, 0);
      for (const entry of checkpoint.entries) {
        const { parts } = await packOne(entry, chosen(entries.get(entry.name) ?? null));
        for (const [part, { bytes }] of parts) {
          const place = places.get(part);
          const length = sizes.get(part)?.byteLength;
          if (place === undefined || length !== bytes.length)
            throw new Error(
              `${part}: expected ${length ?? 0} bytes as before, got ${bytes.length}; has the file changed?`,
            );
          put(bytes, place);
        }
      }
    },
  };
  const leftOut = await sink({ files: [file], replaced: fileNames(checkpoint), index: null });
  return { tensors, tied: Object.fromEntries(checkpoint.tied), leftOut, lostMetadata };
}

/** Returns the size of the file that {@link writePacked} writes, without writing it. Tensors are read once. */
export async function packedFileBytes({
  checkpoint,
  turn,
  ...options
}: CheckpointRun & PackOptions): Promise<number> {
  const layouts = await chooseLayouts(checkpoint, async (entry) => {
    await turn?.();
    return packTensor(entry.name, checkpoint.read(entry), options);
  });
  const { header } = packedHeader(mergedMetadata(checkpoint).metadata, layouts);
  return header.length + sumOf([...layouts.sizes.values()], ({ byteLength }) => byteLength);
}

/** Lays out a packed file with its manifest and checksums. */
function packedHeader(
  metadata: Readonly<Record<string, string>>,
  { entries, checksums, sizes }: ChosenLayouts,
) {
  const manifest = new Map<string, PackedEntry>();
  for (const [name, entry] of entries) if (entry !== null) manifest.set(name, entry);
  return layOutSafetensors(sizes, {
    ...metadata,
    [PACKED_METADATA]: formatManifest(manifest),
    [CHECKSUM_METADATA]: formatChecksums(checksums),
  });
}

/**
 * Unpacks a packed checkpoint into a plain one. A checkpoint that is not packed is copied.
 *
 * @returns names of files that were not copied because they hold the original weights
 * @throws errors from the sink or `turn`; InputError if the arrays of a packed tensor are inconsistent
 */
export function writeUnpacked(
  { checkpoint, turn, onProgress }: CheckpointRun,
  sink: CopySink,
): Promise<readonly string[]> {
  const total = sumOf(checkpoint.entries, ({ begin, end }) => end - begin);
  let done = 0;
  const files = copiedFiles({
    checkpoint,
    change: (_, { bytes }) => {
      done += bytes.length;
      onProgress?.(done, total);
      return bytes;
    },
    turn,
  });
  return sink(files);
}

type PackedPart = Pick<PackedCheckpointTensor, "name" | "bytes" | "packedBytes">;

/** Computes the total sizes of layers' weights, of embeddings, of everything but embeddings, and of all tensors. */
export function packedParts(
  tensors: readonly PackedCheckpointTensor[],
  survey: readonly TensorFacts[],
): readonly PackedPart[] {
  const roles = new Map(survey.map(({ name, role }) => [name, role]));
  const part = (name: string, isIn: (role: TensorRole) => boolean): PackedPart => {
    const own = tensors.filter((tensor) => isIn(roles.get(tensor.name) ?? "other"));
    return {
      name,
      bytes: sumOf(own, ({ bytes }) => bytes),
      packedBytes: sumOf(own, ({ packedBytes }) => packedBytes),
    };
  };
  return [
    part("weights of layers", isMatrixRole),
    part("embeddings", (role) => role === "embedding"),
    part("all but embeddings", (role) => role !== "embedding"),
    part("all", () => true),
  ];
}
