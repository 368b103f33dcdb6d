/**
 * Encodes snapshots for storage in safetensors files. Every typed array in the state becomes a tensor, named by the
 * array's path in the state. The rest of the state becomes JSON for the file's metadata, which refers to the tensors by
 * name.
 */
import { checkMap, checkObject, checkOneOf, checkString, describe } from "../core/checks.ts";
import { type Either, getOrThrow, left, type Problem, right } from "../core/either.ts";
import type { TrainingSnapshot } from "../train/snapshot.ts";
import type { ExperimentSnapshot } from "./experiment.ts";

/** A typed array in the form in which `espalier/io` stores tensors. */
export interface SnapshotTensor {
  readonly dtype: "F32" | "I32" | "U8";
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** A snapshot in two parts. `writeSafetensors(tensors, { [kind]: json })` combines them in one file. */
interface EncodedSnapshot {
  readonly json: string;
  readonly tensors: ReadonlyMap<string, SnapshotTensor>;
}

/** The types of snapshots, by kind. The kind is also the key of the JSON in the file's metadata. */
interface Snapshots {
  readonly training: TrainingSnapshot;
  readonly experiment: ExperimentSnapshot;
}

/** Keys that mark tensors and maps, which JSON cannot represent. No key in a state begins with `$`. */
const TENSOR = "$tensor";
const MAP = "$map";

/** The version of both kinds of snapshots. */
const VERSION = 3;

const ARRAYS = { F32: Float32Array, I32: Int32Array, U8: Uint8Array };
const DTYPES = ["F32", "I32", "U8"] as const;

/** Encodes a snapshot. The tensors share the memory of its arrays. @throws RangeError for a number that is not finite, with its path in the state */
export function encodeSnapshot<Kind extends keyof Snapshots>(
  kind: Kind,
  snapshot: Snapshots[Kind],
): EncodedSnapshot {
  checkOneOf("kind", kind, ["training", "experiment"]);
  checkObject("snapshot", snapshot, "version");
  const tensors = new Map<string, SnapshotTensor>();
  const json = JSON.stringify({ kind, state: encode(snapshot, kind, tensors) });
  return { json, tensors };
}

/** Decodes a snapshot, or returns all problems in it. */
export function decodeSnapshot<Kind extends keyof Snapshots>(
  kind: Kind,
  encoded: EncodedSnapshot,
): Either<readonly Problem[], Snapshots[Kind]> {
  checkOneOf("kind", kind, ["training", "experiment"]);
  checkObject("encoded", encoded, "json", "tensors");
  const { json, tensors } = encoded;
  checkString("encoded.json", json);
  checkMap("encoded.tensors", tensors);
  const parsed = parseJson(json);
  if (!isRecord(parsed) || parsed.kind !== kind) {
    const expected = `the JSON of a ${kind} snapshot`;
    return left([{ path: kind, expected, got: describe(parsed) }]);
  }
  const problems: Problem[] = [];
  const state = decode(parsed.state, kind, tensors, problems);
  if (problems.length === 0) problems.push(...versionProblems(kind, state));
  return problems.length > 0 ? left(problems) : right(state as Snapshots[Kind]);
}

/** Like {@link decodeSnapshot}, but throws an `InputError` with all problems. */
export function decodeSnapshotOrThrow<Kind extends keyof Snapshots>(
  kind: Kind,
  encoded: EncodedSnapshot,
): Snapshots[Kind] {
  return getOrThrow(decodeSnapshot(kind, encoded));
}

/** Returns a problem at `path` if a state is not of the current version. */
export function versionProblems(path: string, state: unknown): readonly Problem[] {
  if (isRecord(state) && state.version === VERSION) return [];
  const got = isRecord(state) ? `version ${describe(state.version)}` : describe(state);
  return [{ path, expected: `a snapshot of version ${VERSION}`, got }];
}

function encode(value: unknown, path: string, tensors: Map<string, SnapshotTensor>): unknown {
  if (typeof value === "number" && !Number.isFinite(value))
    throw new RangeError(`${path}: expected a finite number, got ${value}`);
  if (!isRecord(value)) return value;
  const dtype = DTYPES.find((name) => value instanceof ARRAYS[name]);
  if (dtype !== undefined && ArrayBuffer.isView(value)) {
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    const length = bytes.length / ARRAYS[dtype].BYTES_PER_ELEMENT;
    tensors.set(path, { dtype, shape: [length], bytes });
    return { [TENSOR]: path };
  }
  const below = (key: unknown, entry: unknown) => encode(entry, `${path}/${key}`, tensors);
  if (Array.isArray(value)) return value.map((entry, index) => below(index, entry));
  if (value instanceof Map)
    return { [MAP]: [...value].map(([key, entry]) => [key, below(key, entry)]) };
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, below(key, entry)]));
}

function decode(
  value: unknown,
  path: string,
  tensors: ReadonlyMap<string, SnapshotTensor>,
  problems: Problem[],
): unknown {
  if (!isRecord(value)) return value;
  const below = (key: unknown, entry: unknown) =>
    decode(entry, `${path}/${key}`, tensors, problems);
  if (Array.isArray(value)) return value.map((entry, index) => below(index, entry));
  const { [TENSOR]: name, [MAP]: entries } = value;
  if (typeof name === "string") {
    const tensor = tensors.get(name);
    const array = tensor && ARRAYS[tensor.dtype];
    if (tensor && array) return new array(new Uint8Array(tensor.bytes).buffer);
    problems.push({ path, expected: `a tensor ${name}`, got: describe(tensor) });
    return undefined;
  }
  if (Array.isArray(entries))
    return new Map(entries.map(([key, entry]) => [key, below(key, entry)]));
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, below(key, entry)]));
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
