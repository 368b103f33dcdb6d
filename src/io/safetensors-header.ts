/**
 * Parses the header of a safetensors file: an 8-byte little-endian length, then JSON. The parser checks bounds,
 * duplicate names, dtypes and sizes. The tensors must fill the rest of the file without overlaps or holes.
 */

import {
  checkBytes,
  checkKeys,
  checkKind,
  checkNumber,
  checkString,
  describe,
} from "../core/checks.ts";
import {
  type Either,
  isLeft,
  type Problem,
  refuse,
  right,
  unlessProblems,
} from "../core/either.ts";
import { looksLike } from "./content.ts";
import { DTYPES, type Dtype, elementBytes, isDtype } from "./dtypes.ts";
import { isJsonObject, type JsonObject, type JsonValue, parseJsonObject } from "./json.ts";

/** A tensor's element type, its shape, and its byte range in the file. */
export interface SafetensorsEntry {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** A parsed header, for reading a file tensor by tensor. */
export interface SafetensorsHeader {
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * Other names of tensors, each mapped to a name in `entries`. safetensors stores a shared tensor once, and keeps its
   * other names in the metadata.
   */
  readonly aliases: ReadonlyMap<string, string>;
}

/** Options for reading safetensors. */
export interface SafetensorsReadOptions {
  /** Identifies the file in problems. Default `"safetensors"`. */
  readonly source?: string;
  /**
   * `"required"` refuses tensors that do not begin at a multiple of their element size. The format allows such tensors,
   * and old programs wrote them. The default, `"any"`, accepts them.
   */
  readonly alignment?: "any" | "required";
}

export const LENGTH_BYTES: 8 = 8;

/** The first byte of every header's JSON. Whitespace and byte-order marks are not allowed before it. */
const OPENING_BRACE = 0x7b;

/** The maximum length of a header in bytes, as in the official implementation. */
const MAX_HEADER = 100_000_000;

/** The header's key for metadata. All other keys are tensor names. */
export const METADATA: "__metadata__" = "__metadata__";

/**
 * Returns the position at which the header ends, from the first 8 bytes of a file. {@link parseSafetensorsHeader} needs
 * all bytes before this position. With up to 512 bytes, problems can also name the type of a file that is not in this
 * format.
 */
export function safetensorsHeaderEnd(
  prefix: Uint8Array,
  fileBytes: number,
  source: string = "safetensors",
): Either<readonly Problem[], number> {
  checkBytes("prefix", prefix);
  checkNumber("fileBytes", fileBytes, 0);
  checkString("source", source);
  return headerEnd(prefix, fileBytes, source);
}

function headerEnd(
  prefix: Uint8Array,
  fileBytes: number,
  source: string,
): Either<readonly Problem[], number> {
  /** Refuses the file. The problem names the file's actual type if its content is recognised. */
  const refuseFile = (expected: string, got: string) => {
    const other = looksLike(prefix, "a safetensors file");
    if (other !== undefined) return refuse(source, "a safetensors file", other);
    return refuse(source, expected, got);
  };
  if (prefix.length < LENGTH_BYTES || fileBytes < LENGTH_BYTES)
    return refuseFile("a file of at least 8 bytes", `${Math.min(prefix.length, fileBytes)}`);
  const view = new DataView(prefix.buffer, prefix.byteOffset, LENGTH_BYTES);
  const stated = view.getBigUint64(0, true);
  if (stated > BigInt(MAX_HEADER))
    return refuseFile(`safetensors, whose header has at most ${MAX_HEADER} bytes`, `${stated}`);
  const end = LENGTH_BYTES + Number(stated);
  if (end <= fileBytes) return right(end);
  return refuseFile(`a header within the file's ${fileBytes} bytes`, `one that ends at ${end}`);
}

/**
 * Parses the header, and checks that the tensors fill the file exactly, without overlaps or holes.
 *
 * @param prefix the first bytes of the file, at least to the end of the header
 * @param fileBytes the size of the whole file
 *
 * @example
 * ```ts
 * import { getOrThrow, parseSafetensorsHeader, safetensorsHeaderEnd } from "espalier/io";
 * import { tensorFromFloat32, writeSafetensors } from "espalier/io";
 *
 * const bias = tensorFromFloat32("F32", [2], new Float32Array([1, 2]));
 * const file = new Blob([writeSafetensors(new Map([["bias", bias]])) as BlobPart]);
 * const read = async (begin: number, end: number): Promise<Uint8Array> =>
 *   new Uint8Array(await file.slice(begin, end).arrayBuffer());
 *
 * const end = getOrThrow(safetensorsHeaderEnd(await read(0, 8), file.size));
 * const { entries } = getOrThrow(parseSafetensorsHeader(await read(0, end), file.size));
 * const entry = entries.get("bias");
 * if (entry?.end !== file.size) throw new Error("expected the last tensor to end the file");
 * ```
 */
export function parseSafetensorsHeader(
  prefix: Uint8Array,
  fileBytes: number,
  options: SafetensorsReadOptions = {},
): Either<readonly Problem[], SafetensorsHeader> {
  checkBytes("prefix", prefix);
  checkNumber("fileBytes", fileBytes, 0);
  return parseHeader(prefix, fileBytes, options);
}

/** {@link parseSafetensorsHeader} for bytes that are known to be some. */
export function parseHeader(
  prefix: Uint8Array,
  fileBytes: number,
  options: SafetensorsReadOptions,
): Either<readonly Problem[], SafetensorsHeader> {
  checkKeys("options", options, ["source", "alignment"]);
  const { source = "safetensors" } = options;
  checkKind(typeof source === "string", "source", "a string", source);
  const found = headerEnd(prefix, fileBytes, source);
  if (isLeft(found)) return found;
  const end = found.right;
  if (prefix.length < end) return refuse(source, `${end} bytes`, `${prefix.length}`);
  const json = parseHeaderJson(source, prefix.subarray(LENGTH_BYTES, end));
  if (isLeft(json)) return json;
  const problems: Problem[] = [];
  const header = readHeader(source, json.right, end, problems);
  checkLayout(source, header.entries, end, fileBytes, options, problems);
  return unlessProblems(problems, header);
}

function parseHeaderJson(
  source: string,
  bytes: Uint8Array,
): Either<readonly Problem[], JsonObject> {
  const path = `${source}: header`;
  if (bytes[0] === OPENING_BRACE) return parseJsonObject(path, bytes);
  const got = bytes.length === 0 ? "nothing" : `byte ${bytes[0]}`;
  return refuse(path, "{ as its first byte", got);
}

function readHeader(
  source: string,
  json: JsonObject,
  dataBegin: number,
  problems: Problem[],
): SafetensorsHeader {
  const entries: [string, SafetensorsEntry][] = [];
  let metadata: Readonly<Record<string, string>> = {};
  for (const [name, value] of Object.entries(json)) {
    if (name === METADATA) {
      metadata = readMetadata(source, value, problems);
      continue;
    }
    const entry = readEntry(`${source}: ${name}`, value, dataBegin, problems);
    if (entry !== undefined) entries.push([name, entry]);
  }
  entries.sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  const named = new Map(entries);
  return { entries: named, metadata, aliases: aliasesIn(metadata, named) };
}

/** Returns the aliases in the metadata, each mapped to the name of a stored tensor. */
export function aliasesIn(
  metadata: Readonly<Record<string, string>>,
  stored: { has(name: string): boolean },
): ReadonlyMap<string, string> {
  const isAlias = ([alias, name]: readonly [string, string]): boolean =>
    stored.has(name) && !stored.has(alias);
  return new Map(Object.entries(metadata).filter(isAlias));
}

function readMetadata(
  source: string,
  value: JsonValue,
  problems: Problem[],
): Readonly<Record<string, string>> {
  const path = `${source}: ${METADATA}`;
  if (!isJsonObject(value)) {
    problems.push({ path, expected: "an object of strings", got: describe(value) });
    return {};
  }
  for (const [name, text] of Object.entries(value)) {
    if (typeof text !== "string")
      problems.push({ path: `${path}.${name}`, expected: "a string", got: describe(text) });
  }
  return value as Readonly<Record<string, string>>;
}

/** Reads a tensor's entry. If it is invalid, reports a problem and returns `undefined`. */
function readEntry(
  path: string,
  value: JsonValue,
  dataBegin: number,
  problems: Problem[],
): SafetensorsEntry | undefined {
  const refuse = (field: string, expected: string, got: unknown): undefined => {
    problems.push({ path: path + field, expected, got: describe(got) });
    return undefined;
  };
  if (!isJsonObject(value)) return refuse("", "an object", value);
  const known = ["dtype", "shape", "data_offsets"];
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined) return refuse("", `only ${known.join(", ")}`, unknown);
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isDtype(dtype)) return refuse(".dtype", `one of ${DTYPES.join(", ")}`, dtype);
  if (!isCountList(shape)) return refuse(".shape", "a list of integers from 0 to 2^53 - 1", shape);
  if (!isCountList(offsets) || offsets.length !== 2)
    return refuse(".data_offsets", "two integers from 0 to 2^53 - 1", offsets);
  const [begin, end] = offsets as [number, number];
  if (begin > end) return refuse(".data_offsets", "begin <= end", `${begin}, ${end}`);
  const needed = byteCount(dtype, shape);
  if (needed === undefined)
    return refuse(".shape", "fewer than 2^53 bytes", `[${shape.join(", ")}]`);
  if (!Number.isInteger(needed))
    return refuse(".shape", `a whole number of bytes of ${dtype}`, `[${shape.join(", ")}]`);
  if (end - begin !== needed)
    return refuse(".data_offsets", `${needed} bytes for ${dtype} [${shape}]`, end - begin);
  return { dtype, shape, begin: dataBegin + begin, end: dataBegin + end };
}

/** Whether `value` is a list of integers from 0 to 2^53 - 1. */
export function isCountList(value: unknown): value is readonly number[] {
  return (
    Array.isArray(value) &&
    value.every((count) => Number.isSafeInteger(count) && count >= 0 && !Object.is(count, -0))
  );
}

/**
 * Returns the size of a tensor in bytes. It is a fraction if packed elements do not fill the last byte, and `undefined`
 * if the size, or the product of some leading extents, exceeds 2^53 - 1.
 */
export function byteCount(dtype: Dtype, shape: readonly number[]): number | undefined {
  let count = 1;
  for (const extent of shape) {
    count *= extent;
    if (!Number.isSafeInteger(count)) return undefined;
  }
  count *= elementBytes(dtype);
  return count <= Number.MAX_SAFE_INTEGER ? count : undefined;
}

/** Reports holes, overlaps, missing or extra bytes and, if required, misaligned tensors. */
function checkLayout(
  source: string,
  entries: ReadonlyMap<string, SafetensorsEntry>,
  dataBegin: number,
  fileBytes: number,
  options: SafetensorsReadOptions,
  problems: Problem[],
): void {
  // An invalid entry leaves a hole, which must not be reported as a second problem.
  if (problems.length > 0) return;
  let position = dataBegin;
  for (const [name, { dtype, begin, end }] of entries) {
    const path = `${source}: ${name}`;
    if (begin !== position) {
      const kind = begin < position ? "an overlap" : "a hole";
      const expected = `data to begin at offset ${position - dataBegin}`;
      problems.push({ path, expected, got: `${kind}: offset ${begin - dataBegin}` });
    }
    const size = Math.max(1, elementBytes(dtype));
    if (options.alignment === "required" && begin % size !== 0)
      problems.push({ path, expected: `a file offset divisible by ${size}`, got: `${begin}` });
    position = Math.max(position, end);
  }
  if (position !== fileBytes) {
    const expected = `a file of ${position} bytes, as its header says`;
    problems.push({ path: source, expected, got: `${fileBytes}` });
  }
}
