/**
 * Reads state dicts written by `torch.save`. Since PyTorch 1.6, such a file is a zip archive. Older files consist of
 * pickles, followed by the storages. No code in the file is executed, and a tensor's bytes are read only on request.
 */
import { describe } from "../core/checks.ts";
import { type Either, isLeft, left, type Problem, refuse, unlessProblems } from "../core/either.ts";
import type { ByteSource } from "./byte-source.ts";
import { plainBytes } from "./bytes.ts";
import { CONTENT_BYTES, looksLike } from "./content.ts";
import { elementBytes } from "./dtypes.ts";
import { type PickleValue, readPickle } from "./pickle.ts";
import { findStateDict } from "./state-dict.ts";
import { decodeLossy } from "./text.ts";
import {
  extentOf,
  type StoragePart,
  storageElementBytes,
  TENSOR_NAMES,
  tensorOf,
} from "./torch-tensor.ts";
import { readZipDirectory } from "./zip.ts";

/** A tensor in a state dict. */
export interface TorchTensor extends Omit<StoragePart, "storageBytes"> {
  readonly name: string;
  /** The position in the file at which the storage begins. */
  readonly begin: number;
}

/** The first bytes of a file in the old format: the opcode for pickle protocol 2 and PyTorch's magic number. */
const LEGACY: readonly number[] = [
  0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e,
];
const ARCHIVE: readonly number[] = [0x50, 0x4b, 3, 4];
/** The maximum length of a pickle in bytes. Each tensor takes a few hundred bytes. */
const MOST_PICKLE = 32 * 2 ** 20;

/** The `expected` text in problems about the whole file. */
const SAVED = "a file that torch.save wrote";

function beginsWith(bytes: Uint8Array, prefix: readonly number[]): boolean {
  return prefix.every((byte, i) => bytes[i] === byte);
}

export function isTorchFile(source: ByteSource): boolean {
  const begin = source.read(0, Math.min(source.size, LEGACY.length));
  return beginsWith(begin, LEGACY) || beginsWith(begin, ARCHIVE);
}

/** Returns the position of a storage with `bytes` bytes, or a text that describes what was found instead. */
type Locate = (key: string, bytes: number) => number | string;

function tensorsOf(
  source: ByteSource,
  value: PickleValue,
  locate: Locate,
): Either<readonly Problem[], readonly TorchTensor[]> {
  const state = findStateDict(source.name, value);
  if (isLeft(state)) return state;
  const problems: Problem[] = [];
  const tensors: TorchTensor[] = [];
  for (const [name, stored] of state.right) {
    const path = `${source.name}: ${String(name)}`;
    const tensor = tensorOf(stored);
    if (typeof name !== "string")
      problems.push({ path, expected: "a name that is text", got: typeof name });
    else if (typeof tensor === "string") problems.push({ path, expected: "a tensor", got: tensor });
    else {
      const { storageBytes, ...rest } = tensor;
      const begin = locate(tensor.storage, storageBytes);
      if (typeof begin === "string") problems.push({ path, expected: "its storage", got: begin });
      else tensors.push({ name, begin, ...rest });
    }
  }
  return unlessProblems(problems, tensors);
}

function readArchive(source: ByteSource): Either<readonly Problem[], readonly TorchTensor[]> {
  const directory = readZipDirectory(source);
  if (isLeft(directory)) return directory;
  const { files, refused } = directory.right;
  const names = [...files.keys(), ...refused.keys()];
  const [pickle, another] = names.filter((name) => /(^|\/)data\.pkl$/.test(name));
  if (pickle === undefined) return refuse(source.name, SAVED, "a zip archive without a data.pkl");
  if (another !== undefined) return refuse(source.name, "one data.pkl", "several");
  const place = files.get(pickle);
  if (place === undefined || refused.size > 0) return left([...refused.values()]);
  const folder = pickle.slice(0, -"data.pkl".length);
  const order = files.get(`${folder}byteorder`);
  if (order !== undefined) {
    const text = decodeLossy(source.read(order.begin, Math.min(order.end, order.begin + 8)));
    if (text !== "little") return refuse(source.name, "little-endian storages", describe(text));
  }
  if (place.end - place.begin > MOST_PICKLE)
    return refuse(source.name, `a pickle of at most ${MOST_PICKLE} bytes`, "a longer one");
  const bytes = source.read(place.begin, place.end);
  const read = readPickle(`${source.name}: ${pickle}`, bytes, 0, TENSOR_NAMES);
  if (isLeft(read)) return read;
  return tensorsOf(source, read.right.value, (key, length) => {
    const data = files.get(`${folder}data/${key}`);
    if (data === undefined) return "none";
    return data.end - data.begin === length ? data.begin : `${data.end - data.begin} bytes of it`;
  });
}

/**
 * Returns the positions and sizes of the storages that follow the pickles. Each storage is preceded by its number of
 * elements.
 */
function legacyStorages(
  source: ByteSource,
  keys: readonly PickleValue[],
  sizes: ReadonlyMap<string, number>,
  begin: number,
): ReadonlyMap<string, readonly [begin: number, bytes: number]> {
  const places = new Map<string, readonly [number, number]>();
  let at = begin;
  for (const key of keys) {
    const size = typeof key === "string" ? sizes.get(key) : undefined;
    if (typeof key !== "string" || size === undefined || at + 8 > source.size) break;
    const stated = source.read(at, at + 8);
    const count = Number(new DataView(stated.buffer, stated.byteOffset).getBigUint64(0, true));
    at += 8;
    if (!(at + count * size <= source.size)) break;
    places.set(key, [at, count * size]);
    at += count * size;
  }
  return places;
}

function readLegacy(source: ByteSource): Either<readonly Problem[], readonly TorchTensor[]> {
  const bytes = source.read(0, Math.min(source.size, MOST_PICKLE));
  // The five pickles: the magic number, the version, the system's properties, the state dict, the keys of the storages.
  const values: PickleValue[] = [];
  let at = 0;
  for (let i = 0; i < 5; i++) {
    const read = readPickle(source.name, bytes, at, TENSOR_NAMES);
    if (isLeft(read)) return read;
    values.push(read.right.value);
    at = read.right.end;
  }
  const [, version = null, system, state = null, keys] = values;
  if (version !== 1001) return refuse(source.name, "version 1001", describe(version));
  if (!(system instanceof Map) || system.get("little_endian") !== true)
    return refuse(source.name, "little-endian storages", "others");
  if (!Array.isArray(keys)) return refuse(source.name, "a list of storages", describe(keys));
  const places = legacyStorages(source, keys, storageElementBytes(state), at);
  return tensorsOf(source, state, (key, length) => {
    const place = places.get(key);
    if (place === undefined) return "none within the file";
    return place[1] === length ? place[0] : `${place[1]} bytes of it`;
  });
}

/**
 * Finds the tensors in a state dict. Classes and functions that a dictionary of tensors does not need are refused; the
 * problem names them.
 */
export function readTorchFile(
  source: ByteSource,
): Either<readonly Problem[], readonly TorchTensor[]> {
  const begin = source.read(0, Math.min(source.size, LEGACY.length));
  if (beginsWith(begin, LEGACY)) return readLegacy(source);
  if (beginsWith(begin, ARCHIVE)) return readArchive(source);
  const content = source.read(0, Math.min(source.size, CONTENT_BYTES));
  return refuse(source.name, SAVED, looksLike(content) ?? "another file");
}

/** Whether a tensor's elements are in row-major order without gaps. */
function isContiguous({ shape, strides }: TorchTensor): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const extent = shape[axis] ?? 0;
    if (extent !== 1 && strides[axis] !== expected) return false;
    expected *= extent;
  }
  return true;
}

/** Reads the bytes of a tensor, in row-major order. */
export function torchTensorBytes(source: ByteSource, tensor: TorchTensor): Uint8Array {
  const { shape, strides, offset, begin, dtype } = tensor;
  const size = elementBytes(dtype);
  const { last, count } = extentOf(shape, strides, offset);
  if (count === 0) return new Uint8Array(0);
  const stored = plainBytes(source.read(begin + offset * size, begin + (last + 1) * size));
  if (isContiguous(tensor)) return stored;
  const out = new Uint8Array(count * size);
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < out.length; to += size) {
    for (let byte = 0; byte < size; byte++) out[to + byte] = stored[from * size + byte] ?? 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const stride = strides[axis] ?? 0;
      index[axis] = (index[axis] ?? 0) + 1;
      from += stride;
      if ((index[axis] ?? 0) < (shape[axis] ?? 0)) break;
      from -= stride * (shape[axis] ?? 0);
      index[axis] = 0;
    }
  }
  return out;
}

/** Maps the name of each tensor that shares all its memory with an earlier tensor to the earlier name. */
export function tiedTensors(tensors: readonly TorchTensor[]): ReadonlyMap<string, string> {
  const first = new Map<string, string>();
  const tied = new Map<string, string>();
  for (const { name, storage, offset, shape, strides, dtype } of tensors) {
    const key = JSON.stringify([storage, offset, shape, strides, dtype]);
    const earlier = first.get(key);
    if (earlier === undefined) first.set(key, name);
    else tied.set(name, earlier);
  }
  return tied;
}
