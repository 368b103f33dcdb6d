/**
 * Plain data with typed arrays and maps as one safetensors file: the arrays are its tensors, named by where they
 * stand; everything else is JSON in its metadata. Other programs can read the tensors of such a file.
 */

import { describe } from "../core/checks.ts";
import { type Either, getOrThrow, type Problem } from "../core/either.ts";
import { isJsonObject, type JsonValue, parseJson } from "../io/json.ts";
import {
  readSafetensors,
  type StoredTensor,
  tensorFromFloat32,
  toFloat32,
  writeSafetensors,
} from "../io/safetensors.ts";

/** The metadata entry with the JSON text. */
const JSON_ENTRY = "espalier";

/** Marks what JSON has no value for. */
const TENSOR = "$tensor";
const MAP = "$map";
const NUMBER = "$number";

/** A value's JSON, its arrays set aside. */
function encode(value: unknown, path: string, tensors: Map<string, StoredTensor>): JsonValue {
  if (ArrayBuffer.isView(value)) {
    tensors.set(path, storedArray(path, value));
    return { [TENSOR]: path };
  }
  if (typeof value === "number" && !Number.isFinite(value)) return { [NUMBER]: String(value) };
  if (value === null || typeof value !== "object") return scalar(path, value);
  const below = (key: string | number, entry: unknown): JsonValue =>
    encode(entry, path === "" ? String(key) : `${path}/${key}`, tensors);
  if (Array.isArray(value)) return value.map((entry, index) => below(index, entry));
  if (value instanceof Map)
    return { [MAP]: [...value].map(([key, entry]) => [String(key), below(String(key), entry)]) };
  const entries = Object.entries(value).filter(([, entry]) => entry !== undefined);
  return Object.fromEntries(entries.map(([key, entry]) => [key, below(key, entry)]));
}

function scalar(path: string, value: unknown): JsonValue {
  if (value === null || typeof value === "number") return value;
  if (typeof value === "string" || typeof value === "boolean") return value;
  throw new TypeError(`${path}: expected plain data, got ${describe(value)}`);
}

function storedArray(path: string, array: ArrayBufferView): StoredTensor {
  const shape = [Number("length" in array ? array.length : 0)];
  if (array instanceof Float32Array) return tensorFromFloat32("F32", shape, array);
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  if (array instanceof Uint8Array) return { dtype: "U8", shape, bytes };
  if (array instanceof Int32Array) return { dtype: "I32", shape, bytes };
  throw new TypeError(
    `${path}: expected Float32Array, Int32Array or Uint8Array, got ${describe(array)}`,
  );
}

function decode(value: JsonValue, tensors: ReadonlyMap<string, StoredTensor>): unknown {
  if (Array.isArray(value)) return value.map((entry) => decode(entry, tensors));
  if (!isJsonObject(value)) return value;
  const { [TENSOR]: name, [MAP]: pairs, [NUMBER]: number } = value;
  if (typeof name === "string") return loadedArray(name, tensors.get(name));
  if (typeof number === "string") return Number(number);
  if (Array.isArray(pairs))
    return new Map(pairs.map(([key, entry]: [string, JsonValue]) => [key, decode(entry, tensors)]));
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [key, decode(entry, tensors)]),
  );
}

function loadedArray(name: string, tensor: StoredTensor | undefined): unknown {
  switch (tensor?.dtype) {
    case "F32":
      return toFloat32(tensor);
    case "U8":
      return tensor.bytes.slice();
    case "I32":
      return new Int32Array(tensor.bytes.slice().buffer);
    default:
      throw new RangeError(
        `${name}: expected a tensor of F32, I32 or U8, got ${tensor?.dtype ?? "none"}`,
      );
  }
}

/**
 * The bytes of a file that holds `value`: objects, arrays, maps with text keys, text, numbers, booleans,
 * null, and typed arrays (Float32Array, Int32Array, Uint8Array). Equal values give equal bytes.
 *
 * @throws TypeError for anything else
 */
export function writePlainData(value: unknown): Uint8Array {
  const tensors = new Map<string, StoredTensor>();
  const json = JSON.stringify(encode(value, "", tensors));
  return writeSafetensors(tensors, { [JSON_ENTRY]: json });
}

/** Reads what {@link writePlainData} wrote; `source` names the file in problems. */
export function readPlainData(
  source: string,
  bytes: Uint8Array,
): Either<readonly Problem[], unknown> {
  const file = readSafetensors(bytes, { source });
  if (file._tag === "Left") return file;
  const json = file.right.metadata[JSON_ENTRY];
  if (json === undefined) {
    const problem = { path: source, expected: `the metadata entry ${JSON_ENTRY}`, got: "none" };
    return { _tag: "Left", left: [problem] };
  }
  const parsed = parseJson(source, json);
  if (parsed._tag === "Left") return parsed;
  try {
    return { _tag: "Right", right: decode(parsed.right, file.right.tensors) };
  } catch (error) {
    const got = error instanceof Error ? error.message : String(error);
    return { _tag: "Left", left: [{ path: source, expected: "every array's tensor", got }] };
  }
}

/** {@link readPlainData} that throws an `InputError` with every problem. */
export function readPlainDataOrThrow(source: string, bytes: Uint8Array): unknown {
  return getOrThrow(readPlainData(source, bytes));
}
