/** Checksums of the tensors of a packed file, in its metadata, by which readers recognise altered bytes. */
import { pipe } from "fp-ts/function";
import { crc32 } from "../core/crc32.ts";
import {
  chain,
  type Either,
  getOrThrow,
  type Problem,
  refuse,
  refuseValue,
  right,
} from "../core/either.ts";
import { isJsonObject, parseJson } from "../io/json.ts";
import { type PackedEntry, partNames } from "./packed-manifest.ts";

/** The metadata key of the checksums. */
export const CHECKSUM_METADATA = "espalier.crc32";

/**
 * The checksum of each tensor by its name in the unpacked checkpoint: that of its stored bytes, part after part, in eight
 * hexadecimal digits.
 */
export type Checksums = ReadonlyMap<string, string>;

/** Lists the names that the parts of a tensor have in the file, in the order of their checksum. */
export function checkedNames(name: string, entry: PackedEntry | null): readonly string[] {
  return entry === null ? [name] : [...partNames(name, entry.stored)].sort();
}

/** Computes the checksum of a tensor from its stored parts, in the order of {@link checkedNames}. */
export function checksumOf(parts: readonly Uint8Array[]): string {
  const checksum = parts.reduce((before, bytes) => crc32(bytes, before), 0);
  return checksum.toString(16).padStart(8, "0");
}

export function formatChecksums(checksums: Checksums): string {
  return JSON.stringify(Object.fromEntries(checksums));
}

export function parseChecksums(
  source: string,
  text: string | undefined,
): Either<readonly Problem[], Checksums> {
  if (text === undefined) return right(new Map());
  const path = `${source}: ${CHECKSUM_METADATA}`;
  return pipe(
    parseJson(path, text),
    chain((json) => {
      if (!isJsonObject(json)) return refuseValue(path, "an object", json);
      const checksums = new Map<string, string>();
      for (const [name, value] of Object.entries(json)) {
        if (typeof value !== "string" || !/^[0-9a-f]{8}$/.test(value))
          return refuseValue(`${path}: ${name}`, "eight hexadecimal digits", value);
        checksums.set(name, value);
      }
      return right(checksums);
    }),
  );
}

/** @throws InputError if a tensor has a checksum and its bytes have another one */
export function verifyChecksum(
  path: string,
  name: string,
  checksums: Checksums,
  parts: readonly Uint8Array[],
): void {
  const expected = checksums.get(name);
  if (expected === undefined) return;
  const got = checksumOf(parts);
  if (got === expected) return;
  getOrThrow(refuse(`${path}: ${name}`, `bytes with the checksum ${expected}`, `${got}`));
}
