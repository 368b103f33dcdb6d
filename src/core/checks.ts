/** Argument checks for public functions. A wrong type throws a TypeError, a wrong value a RangeError. */

/** Describes a value in a few words for an error message. */
export function describe(value: unknown): string {
  if (typeof value === "string")
    return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value);
  if (typeof value === "function") return "a function";
  if (ArrayBuffer.isView(value)) {
    const length = "length" in value ? String(value.length) : `${value.byteLength} bytes`;
    return `${value.constructor.name}(${length})`;
  }
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "object" && value !== null)
    return `an object (${Object.keys(value).slice(0, 4).join(", ")})`;
  return String(value);
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
  return ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === `[object ${name}]`;
}

/** Whether a value is an array of strings. */
export function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === "string");
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
