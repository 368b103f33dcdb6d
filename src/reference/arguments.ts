/** Checks the arguments of the reference's functions. */
import {
  checkInteger,
  checkKind,
  checkList,
  checkNumber,
  checkObject,
  checkOneOf,
  checkRecords,
  checkString,
  isStrings,
  isTypedArray,
  mismatch,
  succeeds,
} from "../core/checks.ts";
import type { Profile } from "../prune/config.ts";
import type { LayerRecord } from "../prune/layer.ts";
import type { Pattern } from "../prune/pattern.ts";

/** The maximum number of axes of a weight: those of a convolution over three dimensions. */
const MOST_AXES = 5;

export function checkProfile(profile: Profile): void {
  checkOneOf("profile", profile, ["inc", "strict"]);
}

export function checkBoolean(name: string, value: unknown): void {
  checkKind(typeof value === "boolean", name, "a boolean", value);
}

export function checkStrings(name: string, value: unknown): void {
  checkKind(isStrings(value), name, "an array of strings", value);
}

/** Checks that a value is a pattern of blocks or groups. */
export function checkPattern(pattern: Pattern, name: string = "pattern"): void {
  checkObject(name, pattern, "kind");
  const { kind } = pattern;
  checkOneOf(`${name}.kind`, kind, ["block", "group"]);
  if (kind === "group") {
    checkInteger(`${name}.prune`, pattern.prune, 1);
    checkInteger(`${name}.of`, pattern.of, pattern.prune + 1);
  } else
    for (const side of ["height", "width"] as const)
      if (pattern[side] !== "channel") checkInteger(`${name}.${side}`, pattern[side], 1);
}

/** Checks that a value is the shape of a weight. */
export function checkShape(name: string, shape: readonly number[]): void {
  checkList(name, shape);
  if (shape.length > MOST_AXES)
    throw new RangeError(mismatch(name, `at most ${MOST_AXES} axes`, shape.length));
  // `forEach` would skip holes.
  for (let i = 0; i < shape.length; i++) checkInteger(`${name}[${i}]`, shape[i]);
}

export function extentOf(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** Checks that the elements of a weight fill a shape with two or more axes. */
export function checkWeightData(
  name: string,
  data: Float32Array | Uint8Array,
  shape: readonly number[],
): void {
  const isData = isTypedArray(data, "Float32Array") || isTypedArray(data, "Uint8Array");
  checkKind(isData, name, "a Float32Array or a Uint8Array", data);
  checkShape("shape", shape);
  if (shape.length < 2) throw new RangeError(mismatch("shape", "two or more axes", shape.length));
  if (data.length !== extentOf(shape))
    throw new RangeError(
      mismatch(name, `the elements of the shape [${shape.join(", ")}]`, data.length),
    );
}

/** The public fields of an ndarray with two axes. */
interface StridedMatrix {
  readonly data: Float32Array | Uint8Array;
  readonly shape: readonly number[];
  readonly stride: readonly number[];
  readonly offset: number;
}

/** Checks that a value is a matrix whose elements lie within its data. */
export function checkMatrix(
  name: string,
  matrix: StridedMatrix,
  type: "Float32Array" | "Uint8Array" | "any",
  expected?: readonly number[],
): void {
  checkObject(name, matrix, "data", "shape", "stride", "offset");
  const { data, shape, stride, offset } = matrix;
  const isType = (one: "Float32Array" | "Uint8Array"): boolean =>
    (type === one || type === "any") && isTypedArray(data, one);
  const isData = isType("Float32Array") || isType("Uint8Array");
  checkKind(isData, `${name}.data`, type === "any" ? "a typed array" : `a ${type}`, data);
  checkShape(`${name}.shape`, shape);
  checkList(`${name}.stride`, stride);
  if (shape.length !== 2 || stride.length !== 2)
    throw new RangeError(mismatch(name, "two axes", shape.length));
  for (const [axis, step] of stride.entries())
    checkInteger(`${name}.stride[${axis}]`, step, -data.length, data.length);
  checkInteger(`${name}.offset`, offset, 0, data.length);
  const ends = shape.map((extent, axis) => (extent - 1) * stride[axis]);
  const first = ends.reduce((sum, end) => sum + Math.min(0, end), offset);
  const last = ends.reduce((sum, end) => sum + Math.max(0, end), offset);
  const isEmpty = extentOf(shape) === 0;
  if (!isEmpty && (first < 0 || last >= data.length || extentOf(shape) > data.length))
    throw new RangeError(mismatch(name, `elements within ${data.length}`, `[${shape.join(", ")}]`));
  if (expected !== undefined && shape.join() !== expected.join())
    throw new RangeError(
      mismatch(`${name}.shape`, `[${expected.join(", ")}]`, `[${shape.join(", ")}]`),
    );
}

/** Checks that a value is a number of pruned blocks and of all blocks. */
export function checkCount(
  name: string,
  count: { readonly pruned: number; readonly total: number },
): void {
  checkObject(name, count, "pruned", "total");
  checkInteger(`${name}.total`, count.total);
  checkInteger(`${name}.pruned`, count.pruned, 0, count.total);
}

/** Checks that the properties `keys` of a value are numbers that are not negative. */
export function checkBounds(name: string, value: object, ...keys: readonly string[]): void {
  checkObject(name, value, ...keys);
  const bounds = value as Readonly<Record<string, unknown>>;
  for (const key of keys) checkNumber(`${name}.${key}`, bounds[key], 0);
}

/** Checks the names and kinds of layers. */
export function checkLayers(layers: readonly LayerRecord[]): void {
  checkRecords("layers", layers, "name", "kind");
  for (const [i, { name, kind }] of layers.entries()) {
    checkString(`layers[${i}].name`, name);
    checkOneOf(`layers[${i}].kind`, kind, ["linear", "conv1d", "conv2d", "embedding", "other"]);
  }
}

/** Checks that a value is an array of numbers, of `length` elements. */
export function checkNumbers(name: string, value: readonly number[], length: number): void {
  checkList(name, value);
  if (value.length !== length)
    throw new RangeError(mismatch(name, `${length} elements`, value.length));
  const isOther = (one: unknown): boolean => typeof one !== "number";
  checkKind(
    succeeds(() => value.findIndex(isOther) < 0),
    name,
    "numbers",
    value,
  );
}
