/**
 * Digests of plain data, by which a resumed run recognises its inputs. They detect accidental changes, not deliberate
 * ones.
 */

const FIRST_PRIME = 0x01000193;
const SECOND_PRIME = 0x85ebca6b;

/** Tags that separate values of different kinds. */
const TAG = { integer: 1, number: 2, text: 3, other: 4, list: 5, object: 6, cycle: 7 };

const bits = new Float64Array(1);
const words = new Int32Array(bits.buffer);

/** Two hashes over the same 32-bit words: FNV-1a, and a multiplicative one. */
interface Hash {
  first: number;
  second: number;
}

function addWord(hash: Hash, word: number): void {
  hash.first = Math.imul(hash.first ^ word, FIRST_PRIME);
  const mixed = Math.imul(hash.second ^ word, SECOND_PRIME);
  hash.second = mixed ^ (mixed >>> 15);
}

function addText(hash: Hash, tag: number, text: string): void {
  addWord(hash, tag);
  addWord(hash, text.length);
  for (let i = 0; i < text.length; i++) addWord(hash, text.charCodeAt(i));
}

function addNumber(hash: Hash, value: number): void {
  if ((value | 0) === value && !Object.is(value, -0)) {
    addWord(hash, TAG.integer);
    addWord(hash, value);
    return;
  }
  bits[0] = value;
  addWord(hash, TAG.number);
  addWord(hash, words[0]);
  addWord(hash, words[1]);
}

/** Returns the elements of an array, a typed array, a buffer, a map or a set; undefined for other objects. */
function elementsOf(value: object): ArrayLike<unknown> | undefined {
  if (Array.isArray(value)) return value;
  if (value instanceof Map || value instanceof Set) return [value.constructor.name, ...value];
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (value instanceof DataView)
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return ArrayBuffer.isView(value) ? (value as unknown as ArrayLike<unknown>) : undefined;
}

function addObject(hash: Hash, value: object, parents: Set<object>): void {
  const elements = elementsOf(value);
  if (elements !== undefined) {
    addWord(hash, TAG.list);
    addWord(hash, elements.length);
    for (let i = 0; i < elements.length; i++) addValue(hash, elements[i], parents);
    return;
  }
  const keys = Object.keys(value).sort();
  addWord(hash, TAG.object);
  addWord(hash, keys.length);
  if (value instanceof Date) addNumber(hash, value.getTime());
  for (const key of keys) {
    addText(hash, TAG.text, key);
    addValue(hash, (value as Readonly<Record<string, unknown>>)[key], parents);
  }
}

function addValue(hash: Hash, value: unknown, parents: Set<object>): void {
  if (typeof value === "number") addNumber(hash, value);
  else if (typeof value === "string") addText(hash, TAG.text, value);
  else if (typeof value !== "object" || value === null)
    addText(hash, TAG.other, typeof value === "function" ? "function" : String(value));
  else if (parents.has(value)) addWord(hash, TAG.cycle);
  else {
    parents.add(value);
    addObject(hash, value, parents);
    parents.delete(value);
  }
}

/**
 * Returns the digest of a value as 16 hexadecimal digits. Equal numbers in arrays of different types have equal
 * digests, and so do objects with the same entries in a different order. All functions have the same digest.
 */
export function digestOf(value: unknown): string {
  const hash = { first: 0x811c9dc5, second: 0x9e3779b9 };
  addValue(hash, value, new Set());
  const hexadecimal = (word: number): string => (word >>> 0).toString(16).padStart(8, "0");
  return hexadecimal(hash.first) + hexadecimal(hash.second);
}
