/** Caches the results of a frozen teacher for each training row: in memory up to a budget, then in external storage. */
import { checkInteger, checkOneOf } from "../core/checks.ts";
import { fromHalfBits, halfBits } from "../core/half.ts";

/** Precision of cached values. `float16` rounds them, which changes the loss slightly. */
export type TeacherPrecision = "float32" | "float16";

/** Stores bytes beyond the memory budget, for example in a temporary file. */
export interface TeacherStorage {
  /** Writes `bytes` at byte offset `position`. Successive calls write without gaps, from offset 0. */
  write(position: number, bytes: Uint8Array): void;
  /** Fills `bytes` from byte offset `position`, which was written before. */
  read(position: number, bytes: Uint8Array): void;
}

export interface TeacherMemory {
  /** The maximum number of bytes in memory. Default 2^30. */
  readonly budget?: number | undefined;
  /** Storage for results that exceed the budget. Default: none, and such results are recomputed. */
  readonly storage?: TeacherStorage | undefined;
}

interface Entry {
  readonly rows: number;
  readonly width: number;
  /** The values, or their position in the storage. */
  readonly place: StoredArray | number;
}

type StoredArray = Float32Array | Uint16Array;

export interface TeacherCache {
  /** Returns the number of bytes in memory, at most the budget. */
  usedBytes(): number;
  /** Returns the largest number of rows that `keep` received for any key. */
  longest(): number;
  /** Returns whether the first `rows` rows of a key are available. */
  has(key: number, rows: number): boolean;
  /** Reads the first `rows` rows of a key. @throws RangeError if they are not available */
  read(key: number, rows: number): Float32Array;
  /**
   * Stores all rows of a key if there is room; they replace an entry with fewer rows. Returns the values as `read`
   * would.
   */
  keep(key: number, values: Float32Array, rows: number): Float32Array;
}

const DEFAULT_BUDGET = 2 ** 30;

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

  /** Finds a place for values that replace an entry of `freed` bytes in memory; undefined if there is no room. */
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
      // For example, the disk is full. Results that are not stored are recomputed.
      isFull = true;
      return undefined;
    }
    written += stored.byteLength;
    used -= freed;
    return position;
  }

  return {
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

/** Copies values, converted to the cache's precision. */
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
