/** Presents a packed file as the checkpoint that it unpacks to, and unpacks one tensor at a time. */

import { type Either, getOrThrow, isLeft, left, type Problem, right } from "../core/either.ts";
import { sumOf } from "../core/sum.ts";
import { elementBytes } from "../io/dtypes.ts";
import { layOutSafetensors, type StoredTensor } from "../io/safetensors.ts";
import { aliasesIn, METADATA } from "../io/safetensors-header.ts";
import type { Checkpoint, CheckpointEntry } from "./checkpoint.ts";
import {
  CHECKSUM_METADATA,
  type Checksums,
  checkedNames,
  parseChecksums,
  verifyChecksum,
} from "./packed-checksums.ts";
import {
  describeStored,
  matrixShape,
  PACKED_METADATA,
  type PackedEntry,
  parseManifest,
  partNames,
} from "./packed-manifest.ts";
import { readPackedMatrix, unpackTensor } from "./unpack-tensor.ts";

/**
 * The file name of packed weights in a directory. It is not `model.safetensors`, because other programs would read such
 * a file as an unpacked checkpoint.
 */
export const PACKED_WEIGHTS: "model.packed.safetensors" = "model.packed.safetensors";

/**
 * Collects, by name, the tensors in the file that are parts of packed tensors. Reports problems such as missing parts.
 */
function collectParts(
  { path, entries }: Checkpoint,
  manifest: ReadonlyMap<string, PackedEntry>,
): { readonly parts: ReadonlyMap<string, CheckpointEntry>; readonly problems: readonly Problem[] } {
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const parts = new Map<string, CheckpointEntry>();
  const problems: Problem[] = [];
  for (const [name, { stored }] of manifest) {
    if (name === METADATA)
      problems.push({ path: `${path}: ${name}`, expected: "the name of a tensor", got: "none" });
    if (byName.has(name))
      problems.push({
        path: `${path}: ${name}`,
        expected: "a packed tensor only",
        got: "a plain one too",
      });
    for (const part of partNames(name, stored)) {
      const entry = byName.get(part);
      if (entry === undefined)
        problems.push({ path: `${path}: ${part}`, expected: "a tensor in the file", got: "none" });
      else parts.set(part, entry);
    }
  }
  // A safetensors header is UTF-8, so it could not contain the name of such a tensor once unpacked.
  for (const name of [...manifest.keys(), ...byName.keys()])
    if (/\p{Surrogate}/u.test(name))
      problems.push({
        path: `${path}: ${JSON.stringify(name)}`,
        expected: "a name of well-formed text",
        got: "half of a character",
      });
  return { parts, problems };
}

/**
 * Sorts tensors into the order that they would have in a plain file, because pruning breaks ties between equal scores
 * by the order of layers.
 */
function inFileOrder(entries: readonly CheckpointEntry[]): readonly CheckpointEntry[] {
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const sizes = new Map(
    entries.map(({ name, dtype, shape }) => [name, { dtype, shape, byteLength: 0 }]),
  );
  return layOutSafetensors(sizes).order.flatMap((name) => byName.get(name) ?? []);
}

/** Reports checksums without a tensor. */
function lostTensors(
  { path, entries }: Checkpoint,
  manifest: ReadonlyMap<string, PackedEntry>,
  checksums: Checksums,
): readonly Problem[] {
  const names = new Set([...entries.map(({ name }) => name), ...manifest.keys()]);
  return [...checksums.keys()]
    .filter((name) => !names.has(name))
    .map((name) => ({
      path: `${path}: ${name}`,
      expected: "a tensor for its checksum",
      got: "none",
    }));
}

/** Reads the stored parts of a tensor and verifies their checksum. */
function verifiedParts(
  plain: Checkpoint,
  parts: ReadonlyMap<string, CheckpointEntry>,
  checksums: Checksums,
  names: readonly string[],
  tensor: string,
): ReadonlyMap<string, StoredTensor> {
  const read = new Map<string, StoredTensor>();
  for (const name of names) {
    const part = parts.get(name);
    if (part !== undefined) read.set(name, plain.read(part));
  }
  const stored = Array.from(read.values(), ({ bytes }) => bytes);
  verifyChecksum(plain.path, tensor, checksums, stored);
  return read;
}

/**
 * Returns the checkpoint that a packed file unpacks to, or a plain checkpoint as it is. The arrays of a packed tensor
 * are checked when the tensor is read.
 */
export function unpacking(plain: Checkpoint): Either<readonly Problem[], Checkpoint> {
  const [file] = plain.files;
  const text = file?.metadata[PACKED_METADATA];
  if (file === undefined || text === undefined) return right(plain);
  const manifest = parseManifest(plain.path, text, file.bytes);
  if (isLeft(manifest)) return manifest;
  const checksums = parseChecksums(plain.path, file.metadata[CHECKSUM_METADATA]);
  if (isLeft(checksums)) return checksums;
  const { parts, problems } = collectParts(plain, manifest.right);
  const lost = lostTensors(plain, manifest.right, checksums.right);
  if (problems.length + lost.length > 0) return left([...problems, ...lost]);
  const packedEntries = [...manifest.right].map(([name, entry]): CheckpointEntry => {
    const own = partNames(name, entry.stored).flatMap((part) => parts.get(part) ?? []);
    const [rows, columns] = matrixShape(entry.shape);
    return {
      name,
      file: file.name,
      dtype: entry.unpacked,
      shape: entry.shape,
      begin: 0,
      end: rows * columns * elementBytes(entry.unpacked),
      packed: {
        layout: describeStored(entry),
        bytes: sumOf(own, ({ begin, end }) => end - begin),
      },
    };
  });
  const { [PACKED_METADATA]: _, [CHECKSUM_METADATA]: __, ...metadata } = file.metadata;
  const readParts = (name: string, entry: PackedEntry) =>
    verifiedParts(plain, parts, checksums.right, checkedNames(name, entry), name);
  const read: Checkpoint["read"] = (wanted, memory) => {
    const entry = manifest.right.get(wanted.name);
    if (entry === undefined) {
      const tensor = plain.read(wanted, memory);
      verifyChecksum(plain.path, wanted.name, checksums.right, [tensor.bytes]);
      return tensor;
    }
    return getOrThrow(unpackTensor(wanted.name, entry, readParts(wanted.name, entry)));
  };
  const readInt8: Checkpoint["readInt8"] = ({ name }) => {
    const entry = manifest.right.get(name);
    if (entry?.stored.layout !== "int8") return undefined;
    const matrix = getOrThrow(readPackedMatrix(name, entry, readParts(name, entry)));
    return matrix.layout === "int8" ? matrix : undefined;
  };
  const whole = [...packedEntries, ...plain.entries.filter(({ name }) => !parts.has(name))];
  return right({
    ...plain,
    layout: "packed",
    files: [{ ...file, metadata }],
    tied: aliasesIn(metadata, new Set(whole.map(({ name }) => name))),
    entries: inFileOrder(whole),
    read,
    readInt8,
  });
}
