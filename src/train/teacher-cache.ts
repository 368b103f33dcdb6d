/**
 * What a frozen teacher computed, by training row: kept in memory up to a budget, beyond it in a storage that
 * the program gives, or not at all. What is read has the same bytes whatever was kept.
 */
import { checkInteger, checkOneOf } from "../core/checks.ts";
import { fromHalfBits, halfBits } from "../core/half.ts";

/** How values are kept; `float16` rounds them, which changes the loss a little. */
export type TeacherPrecision = "float32" | "float16";

/** Bytes beyond the budget: a place to write them to, such as a temporary file. */
export interface TeacherStorage {
  /** Writes bytes at a position; positions grow from 0 without gaps. */
  write(position: number, bytes: Uint8Array): void;
  /** Fills `bytes` from a position that was written. */
  read(position: number, bytes: Uint8Array): void;
}

/** What a cache may use. */
export interface TeacherMemory {
  /** Most bytes kept in memory. Default 2^30. */
  readonly budget?: number | undefined;
  /** Takes what is beyond the budget. Default: that is computed again. */
  readonly storage?: TeacherStorage | undefined;
}

/** Values of one example: so many rows of them. */
interface Entry {
  readonly rows: number;
  readonly width: number;
  /** In memory, or where in the storage it begins. */
  readonly place: StoredArray | number;
}

type StoredArray = Float32Array | Uint16Array;

/** The rows of examples, by key. */
export interface TeacherCache {
  readonly precision: TeacherPrecision;
  readonly budget: number;
  /** Bytes kept in memory, never more than `budget`. */
  usedBytes(): number;
  /** The most rows that were kept of any key. */
  longest(): number;
  /** Whether the first `rows` rows of a key can be read. */
  has(key: number, rows: number): boolean;
  /** The first `rows` rows of a key, which `has` them. */
  read(key: number, rows: number): Float32Array;
  /** Keeps all rows of a key, in place of fewer, if there is room; gives them as `read` would. */
  keep(key: number, values: Float32Array, rows: number): Float32Array;
}

const DEFAULT_BUDGET = 2 ** 30;

/**
 * An empty cache.
 *
 * @example
 * ```ts
 * import { createTeacherCache } from "espalier/nn";
 *
 * const cache = createTeacherCache("float32", { budget: 16 });
 * cache.keep(7, Float32Array.of(1, 2, 3, 4), 2); // two rows of two
 * console.assert(cache.read(7, 1).join() === "1,2" && !cache.has(7, 3));
 * cache.keep(8, Float32Array.of(5, 6), 1); // beyond the budget
 * console.assert(!cache.has(8, 1) && cache.usedBytes() === 16);
 * ```
 */
export function createTeacherCache(
  precision: TeacherPrecision,
  memory: TeacherMemory = {},
): TeacherCache {
  const { budget = DEFAULT_BUDGET, storage } = memory;
  checkOneOf("precision", precision, ["float32", "float16"]);
  checkInteger("budget", budget);
  const entries = new Map<number, Entry>();
  let used = 0;
  let written = 0;
  let isFull = false;
  let longest = 0;

  /** Where the values can stay, given what the entry that they replace gives free; undefined: nowhere. */
  function placeFor(stored: StoredArray, freed: number): Entry["place"] | undefined {
    if (used - freed + stored.byteLength <= budget) {
      used += stored.byteLength - freed;
      return stored;
    }
    if (storage === undefined || isFull) return undefined;
    const position = written;
    try {
      storage.write(position, new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength));
    } catch {
      // A full disk, say. What cannot be kept is computed again.
      isFull = true;
      return undefined;
    }
    written += stored.byteLength;
    used -= freed;
    return position;
  }

  return {
    precision,
    budget,
    usedBytes: () => used,
    longest: () => longest,
    has: (key, rows) => (entries.get(key)?.rows ?? 0) >= rows,
    read(key, rows) {
      const entry = entries.get(key);
      if (entry === undefined || entry.rows < rows) {
        throw new RangeError(
          `key ${key}: expected ${rows} rows kept, got ${entry?.rows ?? "none"}`,
        );
      }
      return decode(loadPlace(entry, rows * entry.width, precision, storage));
    },
    keep(key, values, rows) {
      longest = Math.max(longest, rows);
      const stored = encode(values, precision);
      const before = entries.get(key);
      const freed = typeof before?.place === "object" ? before.place.byteLength : 0;
      const place = (before?.rows ?? 0) >= rows ? undefined : placeFor(stored, freed);
      if (place !== undefined) entries.set(key, { rows, width: values.length / rows, place });
      return decode(stored);
    },
  };
}

/** A copy of the values as they are kept. */
function encode(values: Float32Array, precision: TeacherPrecision): StoredArray {
  switch (precision) {
    case "float32":
      return values.slice();
    case "float16":
      return Uint16Array.from(values, halfBits);
    default:
      return precision satisfies never;
  }
}

function decode(stored: StoredArray): Float32Array {
  return stored instanceof Float32Array ? stored : Float32Array.from(stored, fromHalfBits);
}

/** The first `count` values of an entry. */
function loadPlace(
  { place }: Entry,
  count: number,
  precision: TeacherPrecision,
  storage: TeacherStorage | undefined,
): StoredArray {
  if (typeof place === "object") return place.subarray(0, count);
  const loaded = precision === "float32" ? new Float32Array(count) : new Uint16Array(count);
  storage?.read(place, new Uint8Array(loaded.buffer));
  return loaded;
}
