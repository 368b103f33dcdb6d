/**
 * Argument checks for the public edge: a wrong kind is a TypeError, a wrong value a RangeError, and
 * the message always states the argument's name, what was expected and what was got.
 */

/** Describes a value for an error message, shortly. */
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

/** Checks that `value` is an integer in [min, max]. */
export function checkInteger(
  name: string,
  value: unknown,
  min: number = 0,
  max: number = Number.MAX_SAFE_INTEGER,
): asserts value is number {
  if (typeof value !== "number")
    throw new TypeError(`${name}: expected an integer, got ${describe(value)}`);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`${name}: expected an integer from ${min} to ${max}, got ${value}`);
  }
}

/** Checks that `value` is a finite number in [min, max]. */
export function checkNumber(
  name: string,
  value: unknown,
  min: number = -Infinity,
  max: number = Infinity,
): asserts value is number {
  if (typeof value !== "number")
    throw new TypeError(`${name}: expected a number, got ${describe(value)}`);
  if (!Number.isFinite(value) || value < min || value > max) {
    throw new RangeError(`${name}: expected a finite number from ${min} to ${max}, got ${value}`);
  }
}

/** Checks that `value` is one of the strings in `allowed`. */
export function checkOneOf<T extends string>(
  name: string,
  value: unknown,
  allowed: readonly T[],
): asserts value is T {
  if (typeof value !== "string")
    throw new TypeError(`${name}: expected a string, got ${describe(value)}`);
  if (!(allowed as readonly string[]).includes(value)) {
    throw new RangeError(`${name}: expected one of ${allowed.join(", ")}, got ${describe(value)}`);
  }
}

/** Whether a value is a list of strings. */
export function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === "string");
}

/** Checks that `value` is a Float32Array, of `length` elements where that is given. */
export function checkFloat32Array(
  name: string,
  value: unknown,
  length?: number,
): asserts value is Float32Array {
  if (!(value instanceof Float32Array))
    throw new TypeError(`${name}: expected a Float32Array, got ${describe(value)}`);
  if (length !== undefined && value.length !== length) {
    throw new RangeError(`${name}: expected ${length} elements, got ${value.length}`);
  }
}

/** Checks that every entry of `value` is finite; states the first index that is not. */
export function checkFinite(name: string, value: Float32Array): void {
  for (let i = 0; i < value.length; i++) {
    if (!Number.isFinite(value[i]))
      throw new RangeError(`${name}[${i}]: expected a finite number, got ${value[i]}`);
  }
}
