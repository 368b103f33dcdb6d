/** One tensor of a checkpoint in a compressed layout, and back. */
import { mismatch } from "../core/checks.ts";
import type { Either, Problem } from "../core/either.ts";
import { refuse } from "../core/validation.ts";
import { type Dtype, narrowFromFloat32, rawElements } from "../io/dtypes.ts";
import { type StoredTensor, toFloat32 } from "../io/safetensors.ts";
import { blockGrid, packBlocks } from "../sparse/blocks.ts";
import { packedProblems } from "../sparse/check.ts";
import { checkMatrix, type ElementArray, type MatrixShape } from "../sparse/elements.ts";
import {
  type LayoutSpec,
  type PackedArray,
  type PackedMatrix,
  pack,
  packedArrays,
  unpack,
} from "../sparse/layout.ts";
import { type QuantizationError, quantizeBlocks } from "../sparse/quantized.ts";
import {
  hasZero,
  type LayoutSize,
  layoutBytes,
  smallestBy,
  USUAL_LAYOUTS,
} from "../sparse/size.ts";
import {
  isReadable,
  matrixShape,
  mostElements,
  type PackedDtype,
  type PackedEntry,
  type PackedLayout,
  partName,
  partsOf,
} from "./packed-manifest.ts";

/** How tensors are packed. */
export interface PackOptions {
  /** Layouts to choose the smallest from, dense always among them; default `USUAL_LAYOUTS`. */
  readonly layouts?: readonly LayoutSpec[];
  /** The element type that floating-point tensors of two or more dimensions are rounded to; default: their own. */
  readonly dtype?: "F16" | "BF16";
  /** Whether blocks are stored with eight bits for each element and a scale for each block; default false. */
  readonly quantize?: boolean;
}

/** What rounding did to a tensor's elements. */
export type RoundingError = QuantizationError;

/** A tensor as it is stored. */
export interface PackedTensor {
  /** Null where it is stored as it is, under its own name. */
  readonly entry: PackedEntry | null;
  /** What is written, by the names in the file. */
  readonly parts: readonly (readonly [name: string, tensor: StoredTensor])[];
  /** Null where every bit is kept. */
  readonly error: RoundingError | null;
}

function isPackedDtype(dtype: Dtype): dtype is PackedDtype {
  return dtype === "F32" || dtype === "F16" || dtype === "BF16";
}

/** Elements as layouts take them: floats, or the bits of shorter ones. */
function elementsOf({ dtype, bytes }: StoredTensor): ElementArray {
  const raw = rawElements(dtype, bytes);
  if (raw instanceof Float32Array || raw instanceof Uint16Array) return raw;
  throw new TypeError(mismatch("dtype", "F32, F16 or BF16", dtype));
}

function bytesOf({ buffer, byteOffset, byteLength }: PackedArray): Uint8Array {
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}

/** The element type and shape of a packed matrix's array in a file. */
function arrayFacts(
  matrix: PackedMatrix,
  part: string,
  array: PackedArray,
  dtype: PackedDtype,
): Pick<StoredTensor, "dtype" | "shape"> {
  if (part === "scales") return { dtype: "BF16", shape: [array.length] };
  if (part === "values") {
    const stored = array instanceof Int8Array ? "I8" : dtype;
    switch (matrix.layout) {
      case "blocks":
      case "quantized":
        return { dtype: stored, shape: [matrix.columns.length, ...matrix.block] };
      case "groups": {
        const groups = Math.ceil(matrix.shape[1] / matrix.of);
        return { dtype: stored, shape: [matrix.shape[0], groups, matrix.of - matrix.prune] };
      }
      case "channels":
        return { dtype: stored, shape: [matrix.rows.length, matrix.columns.length] };
      case "bitmask":
        return { dtype: stored, shape: [array.length] };
      default:
        return matrix satisfies never;
    }
  }
  const dtypes = { 1: "U8", 2: "U16", 4: "U32" } as const;
  return { dtype: dtypes[array.BYTES_PER_ELEMENT as 1 | 2 | 4], shape: [array.length] };
}

/** How far elements are from what they were rounded to. */
function roundingError(before: Float32Array, after: Float32Array): RoundingError {
  let [maximum, squares, all] = [0, 0, 0];
  before.forEach((value, i) => {
    const difference = value - (after[i] as number);
    // Infinities and NaN are kept as they are.
    if (!Number.isFinite(value)) return;
    maximum = Math.max(maximum, Math.abs(difference));
    squares += difference * difference;
    all += value * value;
  });
  return { maximum, relative: all === 0 ? 0 : Math.sqrt(squares / all) };
}

/** A tensor in another element type, and what that changed. @throws RangeError where a finite element becomes infinite */
function rounded(name: string, tensor: StoredTensor, dtype: "F16" | "BF16") {
  const before = toFloat32(tensor);
  const to: StoredTensor = { ...tensor, dtype, bytes: narrowFromFloat32(dtype, before) };
  const error = roundingError(before, toFloat32(to));
  if (error.maximum === Infinity)
    throw new RangeError(mismatch(name, `elements that ${dtype} can hold`, "one beyond its range"));
  return { tensor: to, error };
}

/** The smallest of the layouts that may hold a matrix in as few bytes as it takes there: see {@link isReadable}. */
function smallestReadable(
  elements: ElementArray,
  shape: MatrixShape,
  layouts: readonly LayoutSpec[],
  mask?: Uint8Array,
): LayoutSize {
  checkMatrix(elements, shape, mask);
  const candidates = hasZero(elements) ? layouts : [];
  return smallestBy(elements.byteLength, candidates, (spec) => {
    const bytes = layoutBytes(elements, shape, spec, mask);
    return bytes !== null && isReadable(elements.length, bytes) ? bytes : null;
  });
}

/**
 * The smallest of several layouts for a tensor as it is, without packing it.
 *
 * @returns dense for what `packTensor` leaves as it is
 *
 * @example
 * ```ts
 * import { packedSize, tensorFromFloat32 } from "espalier/io";
 *
 * const { spec, bytes } = packedSize(tensorFromFloat32("F32", [16, 16], new Float32Array(256)));
 * console.assert(spec?.layout === "channels" && bytes === 0);
 * ```
 */
export function packedSize(
  tensor: StoredTensor,
  layouts: readonly LayoutSpec[] = USUAL_LAYOUTS,
): LayoutSize {
  const { dtype, shape, bytes } = tensor;
  if (!isPackedDtype(dtype) || shape.length < 2) return { spec: null, bytes: bytes.length };
  return smallestReadable(elementsOf(tensor), matrixShape(shape), layouts);
}

function layoutOf(matrix: PackedMatrix, spec: LayoutSpec): PackedLayout {
  return matrix.layout === "quantized" ? { layout: "quantized", block: matrix.block } : { ...spec };
}

/** Packs elements into a layout; blocks of 32-bit floats perhaps into eight bits. */
function packElements(
  elements: ElementArray,
  shape: MatrixShape,
  spec: LayoutSpec,
  quantize: boolean,
  mask?: Uint8Array,
): { readonly matrix: PackedMatrix; readonly error: RoundingError | null } {
  if (!quantize || spec.layout !== "blocks" || !(elements instanceof Float32Array))
    return { matrix: pack(elements, shape, spec, mask), error: null };
  return quantizeBlocks(packBlocks(elements, shape, spec.block, mask));
}

/**
 * Packs a tensor into the smallest of several layouts. Tensors of fewer than two dimensions, or other than F32, F16
 * and BF16, stay as they are.
 *
 * @param mask 1 = kept, as many as the tensor has elements: what it keeps is stored even where it is zero
 * @throws RangeError where an element does not fit into the element type asked for
 *
 * @example
 * ```ts
 * import { packTensor, tensorFromFloat32, toFloat32, unpackTensor } from "espalier/io";
 *
 * const values = new Float32Array(64).fill(1, 8, 12);
 * const weight = tensorFromFloat32("F32", [16, 4], values);
 * const { entry, parts } = packTensor("fc.weight", weight);
 * console.assert(entry?.stored.layout === "bitmask" && parts[0]?.[0] === "fc.weight:bits");
 * if (entry === null) throw new Error("expected a smaller layout");
 * const back = unpackTensor("fc.weight", entry, new Map(parts));
 * console.assert(back._tag === "Right" && toFloat32(back.right).join() === values.join());
 * ```
 */
export function packTensor(
  name: string,
  tensor: StoredTensor,
  options: PackOptions = {},
  mask?: Uint8Array,
): PackedTensor {
  const plain: PackedTensor = { entry: null, parts: [[name, tensor]], error: null };
  const { dtype: unpacked, shape } = tensor;
  if (!isPackedDtype(unpacked) || shape.length < 2) return plain;
  const { layouts = USUAL_LAYOUTS, dtype: target, quantize = false } = options;
  const narrow =
    target !== undefined && unpacked === "F32"
      ? rounded(name, tensor, target)
      : { tensor, error: null };
  const dtype = narrow.tensor.dtype as PackedDtype;
  const matrix = matrixShape(shape);
  const elements = elementsOf(narrow.tensor);
  const { spec } = smallestReadable(elements, matrix, layouts, mask);
  const facts = { shape, dtype, unpacked };
  const packed = spec && packElements(elements, matrix, spec, quantize, mask);
  if (spec === null || packed === null) {
    if (dtype === unpacked) return plain;
    const entry: PackedEntry = { ...facts, stored: { layout: "dense" } };
    return { entry, parts: [[partName(name, "values"), narrow.tensor]], error: narrow.error };
  }
  const stored = layoutOf(packed.matrix, spec);
  return {
    entry: { ...facts, stored },
    parts: packedArrays(packed.matrix).map(([part, array]) => [
      partName(name, part),
      { ...arrayFacts(packed.matrix, part, array, dtype), bytes: bytesOf(array) },
    ]),
    error: packed.error ?? narrow.error,
  };
}

/** What a part must be for its layout, or why it is not; the arrays' own order is checked after. */
function readPart(
  path: string,
  part: string,
  entry: PackedEntry,
  tensor: StoredTensor | undefined,
): Either<readonly Problem[], PackedArray> {
  if (tensor === undefined) return refuse(path, "a tensor in the file", "none");
  const { stored, dtype, shape } = entry;
  const columns = matrixShape(shape)[1];
  const blocks = "block" in stored ? blockGrid([1, columns], stored.block)[1] : 0;
  const index = stored.layout === "channels" || blocks > 0x10000 ? "U32" : "U16";
  const dtypes: Readonly<Record<string, Dtype>> = {
    values: stored.layout === "quantized" ? "I8" : dtype,
    ...{ starts: "U32", rows: "U32", columns: index, scales: "BF16", indices: "U8", bits: "U8" },
  };
  const expected = dtypes[part] ?? dtype;
  if (tensor.dtype !== expected) return refuse(path, expected, tensor.dtype);
  return { _tag: "Right", right: rawElements(expected, tensor.bytes) as PackedArray };
}

/** The matrix that arrays make in a layout, without looking at what is in them. */
function assemble(entry: PackedEntry, arrays: ReadonlyMap<string, PackedArray>): PackedMatrix {
  const shape = matrixShape(entry.shape);
  const parts: Readonly<Record<string, unknown>> = Object.fromEntries(arrays);
  return { ...entry.stored, shape, ...parts } as PackedMatrix;
}

/**
 * Unpacks a tensor, bit for bit where it was packed so. Arrays that do not fit together are refused.
 *
 * @param parts the file's tensors by name, at least those of this one
 *
 * @example
 * ```ts
 * import { packTensor, tensorFromFloat32, unpackTensor } from "espalier/io";
 *
 * const { entry, parts } = packTensor("w", tensorFromFloat32("F32", [8, 8], new Float32Array(64)));
 * if (entry === null) throw new Error("expected a smaller layout");
 * console.assert(unpackTensor("w", entry, new Map(parts))._tag === "Right");
 * console.assert(unpackTensor("w", entry, new Map())._tag === "Left");
 * ```
 */
export function unpackTensor(
  name: string,
  entry: PackedEntry,
  parts: ReadonlyMap<string, StoredTensor>,
): Either<readonly Problem[], StoredTensor> {
  const { stored, shape, dtype, unpacked } = entry;
  const problems: Problem[] = [];
  const arrays = new Map<string, PackedArray>();
  for (const part of partsOf(stored)) {
    const full = partName(name, part);
    const read = readPart(full, part, entry, parts.get(full));
    if (read._tag === "Right") arrays.set(part, read.right);
    else problems.push(...read.left);
  }
  if (problems.length > 0) return { _tag: "Left", left: problems };
  const bytes = [...arrays.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
  const [rows, columns] = matrixShape(shape);
  if (rows * columns > mostElements(bytes)) {
    const expected = `at most ${mostElements(bytes)} elements of ${bytes} bytes`;
    return refuse(name, expected, String(rows * columns));
  }
  const values = arrays.get("values") as ElementArray;
  let elements = values;
  if (stored.layout === "dense") {
    if (values.length !== rows * columns)
      return refuse(partName(name, "values"), `${rows * columns} elements`, `${values.length}`);
  } else {
    const matrix = assemble(entry, arrays);
    const wrong = packedProblems(matrix);
    if (wrong.length > 0)
      return { _tag: "Left", left: wrong.map((one) => ({ ...one, path: `${name}:${one.path}` })) };
    elements = unpack(matrix);
  }
  const tensor: StoredTensor = { dtype, shape, bytes: bytesOf(elements) };
  const widened = (): StoredTensor => ({
    ...tensor,
    dtype: unpacked,
    bytes: narrowFromFloat32(unpacked, toFloat32(tensor)),
  });
  return { _tag: "Right", right: unpacked === dtype ? tensor : widened() };
}
