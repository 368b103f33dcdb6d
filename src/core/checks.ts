/** Argument checks for public functions. A wrong type throws a TypeError, a wrong value a RangeError. */
import { nearestName } from "./nearest.ts";

/** Describes a value in a few words for an error message. */
export function describe(value: unknown): string {
  try {
    if (typeof value === "string")
      return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value);
    if (typeof value === "function") return "a function";
    if (ArrayBuffer.isView(value)) {
      const length = "length" in value ? value.length : `${value.byteLength} bytes`;
      return `${value.constructor.name}(${length})`;
    }
    if (Array.isArray(value)) return `an array of ${value.length}`;
    if (typeof value === "object" && value !== null)
      return `an object (${Object.keys(value).slice(0, 4).join(", ")})`;
    return String(value);
  } catch {
    return "one that cannot be read";
  }
}

/** Formats the error message `name: expected ..., got ...`. */
export function mismatch(name: string, expected: string, got: unknown): string {
  return `${name}: expected ${expected}, got ${got}`;
}

/** Throws a TypeError that describes `value` unless `holds` is true. */
export function checkKind(
  holds: boolean,
  name: string,
  expected: string,
  value: unknown,
): asserts holds {
  if (!holds) throw new TypeError(mismatch(name, expected, describe(value)));
}

/** Whether `test` returns true. A test that throws fails: getters and proxies of foreign objects may throw. */
export function succeeds(test: () => unknown): boolean {
  try {
    return test() === true;
  } catch {
    return false;
  }
}

/** Whether all properties of an object, and at least those of `keys`, can be read. Makes no garbage. */
function isRead(value: unknown, keys: readonly string[]): boolean {
  try {
    const object = value as Readonly<Record<string, unknown>>;
    if (typeof object !== "object") return false;
    for (const key in object) object[key];
    for (const key of keys) if (object[key] === undefined) return false;
    return object !== null;
  } catch {
    return false;
  }
}

/** Checks that `value` is an object in which all properties, and at least those of `keys`, can be read. */
export function checkObject(name: string, value: unknown, ...keys: readonly string[]): void {
  if (!isRead(value, keys)) checkKind(false, name, ["an object", ...keys].join(", "), value);
}

/**
 * Checks that `value` is an object without other properties than those of `known`. An error suggests one of `names`,
 * which may also be names of inner options.
 */
export function checkOptions(
  name: string,
  value: unknown,
  known: readonly string[],
  names: readonly string[] = known,
): void {
  checkKeys(name, value, known, (key) => knownKey(key, names));
}

/**
 * Checks that `value` is an object without other properties than those of `known`. By default, an error lists them all,
 * which suffices for few and takes less code than {@link checkOptions}.
 */
export function checkKeys(
  name: string,
  value: unknown,
  known: readonly string[],
  expectedFor: (key: string) => string = () => `one of ${known.join(", ")}`,
): void {
  checkObject(name, value);
  for (const key of Object.keys(value as object)) {
    if (!known.includes(key))
      throw new TypeError(mismatch(`${name}.${key}`, expectedFor(key), "an unknown one"));
  }
}

/** Describes what is expected instead of an unknown key. */
export function knownKey(key: string, names: readonly string[]): string {
  const near = nearestName(key, names);
  return near === undefined ? `one of ${names.join(", ")}` : `a known key; the nearest is ${near}`;
}

/** Checks that `value` is an array that can be read. */
export function checkList(name: string, value: unknown): void {
  checkKind(
    succeeds(() => Array.isArray(value) && value.length >= 0),
    name,
    "an array",
    value,
  );
}

/** Checks that `value` is an array of objects in which the properties `keys` can be read. */
export function checkRecords(name: string, value: unknown, ...keys: readonly string[]): void {
  checkList(name, value);
  const list = value as readonly unknown[];
  for (let i = 0; i < list.length; i++)
    if (!isRead(list[i], keys)) checkObject(`${name}[${i}]`, list[i], ...keys);
}

/** Whether a value and all that it contains can be read. A cyclic value and functions cannot. */
export function isReadable(value: unknown): boolean {
  const read = (part: unknown): boolean =>
    typeof part !== "function" &&
    (typeof part !== "object" || part === null || Object.values(part).every(read));
  return succeeds(() => read(value));
}

/** Checks that `value` is a string. */
export function checkString(name: string, value: unknown): asserts value is string {
  checkKind(typeof value === "string", name, "a string", value);
}

/** Checks that `value` can be used as a Map. Unlike `instanceof`, this accepts a Map of another realm. */
export function checkMap(name: string, value: unknown): void {
  const isMap = (map: ReadonlyMap<unknown, unknown>): boolean =>
    !map.has(checkMap) && map.get(checkMap) === undefined && [...map.keys()].length === map.size;
  checkKind(
    succeeds(() => isMap(value as ReadonlyMap<unknown, unknown>)),
    name,
    "a Map",
    value,
  );
}

/** Checks that `value` is a Map from strings to objects in which the properties `keys` can be read. */
export function checkMapOf(name: string, value: unknown, ...keys: readonly string[]): void {
  checkMap(name, value);
  for (const [key, entry] of value as ReadonlyMap<unknown, unknown>) {
    checkString(`a key of ${name}`, key);
    checkObject(`${name} ${describe(key)}`, entry, ...keys);
  }
}

/** Checks that `value` is a Uint8Array, such as a Buffer. */
export function checkBytes(name: string, value: unknown): asserts value is Uint8Array {
  checkKind(isTypedArray(value, "Uint8Array"), name, "a Uint8Array", value);
}

/** Checks that `value` is a function. */
export function checkFunction(name: string, value: unknown): void {
  // A proxy may be revoked, and a class cannot be called.
  const isCallable = (callable: { readonly length: number }): boolean =>
    typeof callable === "function" &&
    callable.length >= 0 &&
    !/^class\b/.test(Function.prototype.toString.call(callable));
  const holds = succeeds(() => isCallable(value as { readonly length: number }));
  checkKind(holds, name, "a function", value);
}

/** Checks that `value` is an integer from `min` to `max`. */
export function checkInteger(
  name: string,
  value: unknown,
  min: number = 0,
  max: number = Number.MAX_SAFE_INTEGER,
): asserts value is number {
  checkKind(typeof value === "number", name, "an integer", value);
  if (!Number.isInteger(value) || value < min || value > max)
    throw new RangeError(mismatch(name, `an integer from ${min} to ${max}`, value));
}

/** Checks that `value` is a finite number from `min` to `max`. */
export function checkNumber(
  name: string,
  value: unknown,
  min: number = -Infinity,
  max: number = Infinity,
): asserts value is number {
  checkKind(typeof value === "number", name, "a number", value);
  if (!Number.isFinite(value) || value < min || value > max)
    throw new RangeError(mismatch(name, `a finite number from ${min} to ${max}`, value));
}

/** Checks that `value` is one of the strings in `allowed`. */
export function checkOneOf<T extends string>(
  name: string,
  value: unknown,
  allowed: readonly T[],
): asserts value is T {
  checkKind(typeof value === "string", name, "a string", value);
  if (!(allowed as readonly string[]).includes(value))
    throw new RangeError(mismatch(name, `one of ${allowed.join(", ")}`, describe(value)));
}

interface TypedArrays {
  readonly Uint8Array: Uint8Array;
  readonly Uint16Array: Uint16Array;
  readonly Int32Array: Int32Array;
  readonly Float32Array: Float32Array;
  readonly Float64Array: Float64Array;
}

/**
 * Whether a value is a typed array with this class name. Unlike `instanceof`, this accepts arrays from another realm,
 * such as a frame or the sandbox of a test runner. A Buffer counts as a Uint8Array.
 */
export function isTypedArray<Name extends keyof TypedArrays>(
  value: unknown,
  name: Name,
): value is TypedArrays[Name] {
  return (
    ArrayBuffer.isView(value) &&
    (value as Uint8Array)[Symbol.toStringTag] === name &&
    // A detached array is empty, and no view of its buffer can be made.
    (value.byteLength > 0 || succeeds(() => new Uint8Array(value.buffer).length >= 0))
  );
}

/** Whether a value is an array of strings. */
export function isStrings(value: unknown): value is readonly string[] {
  // Unlike `every`, `findIndex` does not skip holes.
  const isOther = (entry: unknown): boolean => typeof entry !== "string";
  return succeeds(() => Array.isArray(value) && value.findIndex(isOther) < 0);
}

/** Checks that `value` is a Float32Array and, if `length` is given, that it has that many elements. */
export function checkFloat32Array(
  name: string,
  value: unknown,
  length?: number,
): asserts value is Float32Array {
  checkKind(isTypedArray(value, "Float32Array"), name, "a Float32Array", value);
  if (length !== undefined) checkLength(name, value, length);
}

/** Checks that an array has the expected number of elements. */
export function checkLength(name: string, { length }: ArrayLike<unknown>, expected: number): void {
  if (length !== expected) throw new RangeError(mismatch(name, `${expected} elements`, length));
}

/** Checks that every element of `value` is finite. The error names the first element that is not. */
export function checkFinite(name: string, value: Float32Array): void {
  for (let i = 0; i < value.length; i++) {
    if (!Number.isFinite(value[i]))
      throw new RangeError(mismatch(`${name}[${i}]`, "a finite number", value[i]));
  }
}
