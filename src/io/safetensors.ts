/**
 * Reads and writes safetensors files: an 8-byte little-endian header length, a JSON header, then the bytes of the
 * tensors without gaps. Reading reports every problem. Writing gives the same bytes as the official implementation:
 * tensors are sorted by dtype, widest alignment first, then by name, and the header is padded with spaces to a multiple
 * of 8 bytes. Format: https://github.com/huggingface/safetensors#format
 */

import {
  checkBytes,
  checkFloat32Array,
  checkKind,
  checkList,
  checkMapOf,
  checkObject,
  checkOneOf,
  describe,
  mismatch,
} from "../core/checks.ts";
import { type Either, getOrThrow, isLeft, type Problem, right } from "../core/either.ts";
import { plainBytes } from "./bytes.ts";
import {
  DTYPES,
  type Dtype,
  isDtype,
  narrowFromFloat32,
  rawElements,
  widenToFloat32,
} from "./dtypes.ts";
import {
  byteCount,
  isCountList,
  LENGTH_BYTES,
  METADATA,
  parseHeader,
  type SafetensorsReadOptions,
} from "./safetensors-header.ts";
import { encodeUtf8 } from "./text.ts";

/** A tensor as stored in a file. The bytes are little-endian and in row-major order. */
export interface StoredTensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** A parsed file. The tensors are in file order and share the memory of the input. */
export interface SafetensorsFile {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: Readonly<Record<string, string>>;
  /** Other names of tensors, each mapped to the name under which the tensor is stored. */
  readonly aliases: ReadonlyMap<string, string>;
}

/**
 * Parses a whole file. The tensors share the memory of `bytes`.
 *
 * @example
 * ```ts
 * import { readSafetensors, tensorFromFloat32, toFloat32, writeSafetensors } from "espalier/io";
 *
 * const weight = tensorFromFloat32("BF16", [2, 2], new Float32Array([1, 0, 0, 4]));
 * const bytes = writeSafetensors(new Map([["weight", weight]]), { format: "pt" });
 * const file = readSafetensors(bytes);
 * if (file._tag === "Left") throw new Error("expected a readable file");
 * const read = file.right.tensors.get("weight");
 * if (read === undefined || toFloat32(read)[3] !== 4) throw new Error("expected the same values");
 * const cut = readSafetensors(bytes.subarray(0, -1));
 * if (cut._tag === "Right") throw new Error("expected a truncated file to be refused");
 * ```
 */
export function readSafetensors(
  bytes: Uint8Array,
  options: SafetensorsReadOptions = {},
): Either<readonly Problem[], SafetensorsFile> {
  const file = plainBytes(bytes);
  const header = parseHeader(file, file.length, options);
  if (isLeft(header)) return header;
  const { entries, ...rest } = header.right;
  const tensors = new Map<string, StoredTensor>();
  for (const [name, { dtype, shape, begin, end }] of entries)
    tensors.set(name, { dtype, shape, bytes: file.subarray(begin, end) });
  return right({ tensors, ...rest });
}

/** Like {@link readSafetensors}, but throws an `InputError` with every problem. */
export function readSafetensorsOrThrow(
  bytes: Uint8Array,
  options: SafetensorsReadOptions = {},
): SafetensorsFile {
  return getOrThrow(readSafetensors(bytes, options));
}

/** Converts a stored tensor to 32-bit floats in a new array. Values of F64 and wide integers are rounded. */
export function toFloat32(tensor: StoredTensor): Float32Array {
  checkTensor(tensor);
  return widenToFloat32(tensor.dtype, tensor.bytes);
}

/** Like {@link toFloat32}, but the result may share the memory of the tensor's bytes. */
export function asFloat32(tensor: StoredTensor): Float32Array {
  checkTensor(tensor);
  const raw = rawElements(tensor.dtype, tensor.bytes);
  return raw instanceof Float32Array ? raw : widenToFloat32(tensor.dtype, tensor.bytes);
}

/** Checks that a value has the form of a stored tensor. */
export function checkTensor(tensor: StoredTensor): void {
  checkObject("tensor", tensor, "dtype", "shape", "bytes");
  checkOneOf("tensor.dtype", tensor.dtype, DTYPES);
  checkList("tensor.shape", tensor.shape);
  checkBytes("tensor.bytes", tensor.bytes);
}

/**
 * Makes a tensor from 32-bit floats, which are stored exactly in F32 and F64, and rounded to nearest even in F16 and
 * BF16.
 */
export function tensorFromFloat32(
  dtype: "F64" | "F32" | "F16" | "BF16",
  shape: readonly number[],
  values: Float32Array,
): StoredTensor {
  checkOneOf("dtype", dtype, ["F64", "F32", "F16", "BF16"]);
  checkList("shape", shape);
  checkFloat32Array("values", values);
  return { dtype, shape, bytes: narrowFromFloat32(dtype, values) };
}

/**
 * Returns the bytes of a file. They do not depend on the order of `tensors`. Metadata keeps its order.
 *
 * @throws RangeError if a tensor does not have the number of bytes that its dtype and shape require, or if a name
 *   cannot be written
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  checkMapOf("tensors", tensors, "dtype", "shape", "bytes");
  checkObject("metadata", metadata);
  for (const [name, tensor] of tensors) checkStorable(name, tensor);
  const sizes = [...tensors].map(
    ([name, { dtype, shape, bytes }]): readonly [string, TensorSize] => [
      name,
      { dtype, shape, byteLength: bytes.length },
    ],
  );
  const { header, order } = layOutSafetensors(new Map(sizes), metadata);
  const out = new Uint8Array(sizes.reduce((sum, [, one]) => sum + one.byteLength, header.length));
  out.set(header);
  let position = header.length;
  for (const name of order) {
    const bytes = tensors.get(name)?.bytes ?? new Uint8Array(0);
    out.set(bytes, position);
    position += bytes.length;
  }
  return out;
}

/** The element type, the shape and the size in bytes of a tensor. */
export interface TensorSize {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly byteLength: number;
}

/**
 * Returns the header of a file and the order of its tensors, for writing a file tensor by tensor.
 *
 * @throws RangeError for a name that cannot be written
 */
export function layOutSafetensors(
  tensors: ReadonlyMap<string, TensorSize>,
  metadata: Readonly<Record<string, string>> = {},
): { readonly header: Uint8Array; readonly order: readonly string[] } {
  const ordered = [...tensors].sort(
    ([nameA, a], [nameB, b]) =>
      DTYPES.indexOf(b.dtype) - DTYPES.indexOf(a.dtype) || compareCodePoints(nameA, nameB),
  );
  const description: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) description.push([METADATA, checkMetadata(metadata)]);
  let position = 0;
  for (const [name, { dtype, shape, byteLength }] of ordered) {
    checkTensorName(name);
    const begin = position;
    position += byteLength;
    description.push([name, { dtype, shape, data_offsets: [begin, position] }]);
  }
  const json = encodeHeader(description);
  const header = new Uint8Array(LENGTH_BYTES + json.length);
  new DataView(header.buffer).setBigUint64(0, BigInt(json.length), true);
  header.set(json, LENGTH_BYTES);
  return { header, order: ordered.map(([name]) => name) };
}

/**
 * Compares strings by code points, which gives the order of their UTF-8 bytes. UTF-16 code units are ordered
 * differently.
 */
function compareCodePoints(a: string, b: string): number {
  let i = 0;
  while (i < a.length && i < b.length && a[i] === b[i]) i++;
  const isHighSurrogate = i > 0 && /[\ud800-\udbff]/.test(a[i - 1] ?? "");
  const low = isHighSurrogate ? i - 1 : i;
  return (a.codePointAt(low) ?? -1) - (b.codePointAt(low) ?? -1);
}

function checkMetadata(metadata: Readonly<Record<string, string>>): unknown {
  for (const [name, text] of Object.entries(metadata)) {
    checkKind(typeof text === "string", `metadata.${name}`, "a string", text);
    if (!isWellFormed(name + text))
      throw new RangeError(`metadata.${name}: expected well-formed text, got ${describe(text)}`);
  }
  return metadata;
}

function checkTensorName(name: string): void {
  if (name === METADATA || !isWellFormed(name))
    throw new RangeError(mismatch("tensor name", `text other than ${METADATA}`, describe(name)));
}

function checkStorable(name: string, { dtype, shape, bytes }: StoredTensor): void {
  checkTensorName(name);
  if (!isDtype(dtype))
    throw new RangeError(mismatch(name, `a dtype of ${DTYPES.join(", ")}`, describe(dtype)));
  checkBytes(`${name}: bytes`, bytes);
  const isCounts = isCountList(shape);
  const needed = isCounts ? byteCount(dtype, shape) : undefined;
  if (needed === undefined || bytes.length !== needed) {
    const shown = isCounts ? `[${shape}]` : describe(shape);
    const expected = `${needed ?? "a possible number of"} bytes for ${dtype} ${shown}`;
    throw new RangeError(`${name}: expected ${expected}, got ${bytes.length}`);
  }
}

/** Whether text has no lone surrogates, so that it can be encoded in UTF-8. */
function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

/** Encodes the header as JSON, member by member, because a JavaScript object moves names like "0" to the front. */
function encodeHeader(description: readonly (readonly [string, unknown])[]): Uint8Array {
  const members = description.map(
    ([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`,
  );
  const json = encodeUtf8(`{${members.join(",")}}`);
  const padded = new Uint8Array(Math.ceil(json.length / 8) * 8).fill(0x20);
  padded.set(json);
  return padded;
}
