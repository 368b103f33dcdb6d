/**
 * Snapshots as JSON and tensors, for a safetensors file whose metadata holds the JSON: every typed array of the state
 * becomes a tensor named by its path, and the JSON refers to it.
 */
import { checkOneOf, describe } from "../core/checks.ts";
import { type Either, getOrThrow, left, type Problem, right } from "../core/either.ts";
import type { TrainingSnapshot } from "../train/snapshot.ts";
import type { ExperimentSnapshot } from "./experiment.ts";

/** A typed array as `espalier/io` stores tensors. */
export interface SnapshotTensor {
  readonly dtype: "F32" | "I32" | "U8";
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** A snapshot in two parts. `writeSafetensors(tensors, { [kind]: json })` stores it in one file. */
export interface EncodedSnapshot {
  readonly json: string;
  readonly tensors: ReadonlyMap<string, SnapshotTensor>;
}

/** The kinds of snapshot, by the metadata key of their JSON. */
export interface Snapshots {
  readonly training: TrainingSnapshot;
  readonly experiment: ExperimentSnapshot;
}

/** Keys of what JSON cannot hold; no key of a state begins with `$`. */
const TENSOR = "$tensor";
const MAP = "$map";

const ARRAYS = Object.freeze({ F32: Float32Array, I32: Int32Array, U8: Uint8Array });

type StoredArray = InstanceType<(typeof ARRAYS)[keyof typeof ARRAYS]>;

/**
 * Encodes a snapshot.
 *
 * @throws RangeError when the state holds a number that JSON cannot, with its path
 */
export function encodeSnapshot<Kind extends keyof Snapshots>(
  kind: Kind,
  snapshot: Snapshots[Kind],
): EncodedSnapshot {
  checkOneOf("kind", kind, ["training", "experiment"]);
  const tensors = new Map<string, SnapshotTensor>();
  const json = JSON.stringify({ kind, state: encode(snapshot, kind, tensors) });
  return { json, tensors };
}

/** Reads a snapshot back, or gives all its problems. */
export function decodeSnapshot<Kind extends keyof Snapshots>(
  kind: Kind,
  { json, tensors }: EncodedSnapshot,
): Either<readonly Problem[], Snapshots[Kind]> {
  const problems: Problem[] = [];
  const state = decode(parseState(kind, json, problems), kind, tensors, problems);
  if (problems.length === 0 && !isCurrent(state)) {
    problems.push({ path: kind, expected: "a snapshot of version 1", got: describe(state) });
  }
  return problems.length > 0 ? left(problems) : right(state as Snapshots[Kind]);
}

/** {@link decodeSnapshot} that throws an `InputError` with every problem. */
export function decodeSnapshotOrThrow<Kind extends keyof Snapshots>(
  kind: Kind,
  encoded: EncodedSnapshot,
): Snapshots[Kind] {
  return getOrThrow(decodeSnapshot(kind, encoded));
}

function encode(value: unknown, path: string, tensors: Map<string, SnapshotTensor>): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new RangeError(`${path}: expected a finite number, got ${value}`);
  }
  if (typeof value !== "object" || value === null) return value;
  const dtype = dtypeOf(value);
  if (dtype !== undefined) {
    tensors.set(path, storedTensor(dtype, value as StoredArray));
    return { [TENSOR]: path };
  }
  const below = (key: string, entry: unknown) => encode(entry, `${path}/${key}`, tensors);
  if (Array.isArray(value)) return value.map((entry, index) => below(String(index), entry));
  if (value instanceof Map) {
    return { [MAP]: [...value].map(([key, entry]) => [key, below(String(key), entry)]) };
  }
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, below(key, entry)]));
}

function dtypeOf(value: object): SnapshotTensor["dtype"] | undefined {
  if (value instanceof Float32Array) return "F32";
  if (value instanceof Int32Array) return "I32";
  return value instanceof Uint8Array ? "U8" : undefined;
}

function storedTensor(dtype: SnapshotTensor["dtype"], array: StoredArray): SnapshotTensor {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength).slice();
  return { dtype, shape: [array.length], bytes };
}

/** The `state` of an encoded snapshot of that kind, or a problem. */
function parseState(kind: string, json: string, problems: Problem[]): unknown {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    parsed = undefined;
  }
  if (isRecord(parsed) && parsed.kind === kind) return parsed.state;
  problems.push({
    path: kind,
    expected: `the JSON of a ${kind} snapshot`,
    got: describe(parsed),
  });
  return undefined;
}

function decode(
  value: unknown,
  path: string,
  tensors: ReadonlyMap<string, SnapshotTensor>,
  problems: Problem[],
): unknown {
  const below = (key: string, entry: unknown) => decode(entry, `${path}/${key}`, tensors, problems);
  if (Array.isArray(value)) return value.map((entry, index) => below(String(index), entry));
  if (!isRecord(value)) return value;
  if (typeof value[TENSOR] === "string") return loadArray(value[TENSOR], path, tensors, problems);
  const entries: unknown = value[MAP];
  if (Array.isArray(entries)) {
    return new Map(entries.map(([key, entry]) => [key, below(String(key), entry)]));
  }
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, below(key, entry)]));
}

function loadArray(
  name: string,
  path: string,
  tensors: ReadonlyMap<string, SnapshotTensor>,
  problems: Problem[],
): StoredArray | undefined {
  const tensor = tensors.get(name);
  const array = tensor === undefined ? undefined : ARRAYS[tensor.dtype];
  if (tensor === undefined || array === undefined) {
    problems.push({ path, expected: `a tensor ${name}`, got: describe(tensor) });
    return undefined;
  }
  return new array(tensor.bytes.slice().buffer);
}

function isCurrent(state: unknown): boolean {
  return isRecord(state) && state.version === 1;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
