/** Packs a tensor into a compressed layout, and unpacks a packed tensor. */
import {
  checkBytes,
  checkMapOf,
  checkObject,
  checkOneOf,
  checkOptions,
  checkRecords,
  checkString,
} from "../core/checks.ts";
import { type Either, isRight, left, type Problem, refuse, right } from "../core/either.ts";
import type { PruningKernels } from "../core/pruning-kernels.ts";
import { sumOf } from "../core/sum.ts";
import { bytesOf, elementBytes, narrowFromFloat32 } from "../io/dtypes.ts";
import { checkTensor, type StoredTensor, toFloat32 } from "../io/safetensors.ts";
import { packedProblems } from "../sparse/check.ts";
import type { ElementArray } from "../sparse/elements.ts";
import {
  ARRAY_NAMES,
  type LayoutSpec,
  type PackedArray,
  packedArrays,
  unpack,
} from "../sparse/layout.ts";
import { hasZero, type LayoutSize, smallestBy, USUAL_LAYOUTS } from "../sparse/size.ts";
import { layoutTally } from "../sparse/tally.ts";
import { arrayFacts, assemble, readPart, shapeProblems } from "./packed-arrays.ts";
import {
  elementsOf,
  type PackSource,
  packSource,
  type RoundingError,
  rounded,
  smallestReadable,
} from "./packed-choice.ts";
import {
  isPackedDtype,
  isReadable,
  matrixShape,
  mostElements,
  type PackedEntry,
  type PackedLayout,
  partName,
  partsOf,
} from "./packed-manifest.ts";

export type { RoundingError } from "./packed-choice.ts";

/** Options that determine how tensors are packed. */
export interface PackOptions {
  /** The candidate layouts in addition to dense. Default: all usual layouts. */
  readonly layouts?: readonly LayoutSpec[];
  /** F32 tensors with at least two dimensions are rounded to this type. Default: no rounding. */
  readonly dtype?: "F16" | "BF16";
  /**
   * Whether to store blocks as 8-bit integers with a scale for each block, instead of `dtype`. Only tensors whose
   * smallest layout is a block layout are quantized. Default false.
   */
  readonly quantize?: boolean;
}

/** A packed tensor. */
export interface PackedTensor {
  /** The manifest entry; null if the tensor is stored unchanged under its own name. */
  readonly entry: PackedEntry | null;
  /** The tensors to write, with their names in the file. */
  readonly parts: readonly (readonly [name: string, tensor: StoredTensor])[];
  /** The rounding error; null if the tensor is packed without loss. */
  readonly error: RoundingError | null;
}

/**
 * Returns the smallest layout of a tensor and its size, without packing or rounding the tensor.
 *
 * @returns a null `spec`, which means dense, for a tensor that `packTensor` leaves unchanged
 *
 * @example
 * ```ts
 * import { packedSize } from "espalier/checkpoint";
 * import { tensorFromFloat32 } from "espalier/io";
 *
 * const { spec, bytes } = packedSize(tensorFromFloat32("F32", [16, 16], new Float32Array(256)));
 * console.assert(spec?.layout === "channels" && bytes === 0);
 * ```
 */
export function packedSize(
  tensor: StoredTensor,
  layouts: readonly LayoutSpec[] = USUAL_LAYOUTS,
): LayoutSize {
  checkTensor(tensor);
  checkRecords("layouts", layouts, "layout");
  const tally = packedTally(tensor, layouts);
  tally.add(tensor);
  return tally.size();
}

/** Adds up the packed size of a tensor, band by band. */
export interface PackedTally {
  /** Adds the next rows of the tensor. Except in the last band, their number is a multiple of every block height. */
  add(band: StoredTensor): void;
  size(): LayoutSize;
}

/** Computes the same size as {@link packedSize}, from one band after another. */
export function packedTally(
  { dtype, shape }: Pick<StoredTensor, "dtype" | "shape">,
  layouts: readonly LayoutSpec[],
  kernels?: PruningKernels,
): PackedTally {
  const [rows, columns] = matrixShape(shape);
  const count = rows * columns;
  const dense = count * elementBytes(dtype);
  if (!isPackedDtype(dtype) || shape.length < 2)
    return { add: () => undefined, size: () => ({ spec: null, bytes: dense }) };
  const tallies = new Map(
    layouts.map((spec) => [spec, layoutTally(spec, [rows, columns], elementBytes(dtype), kernels)]),
  );
  let isSparse = false;
  return {
    add: (band) => {
      const elements = elementsOf(band);
      isSparse ||= hasZero(elements);
      for (const tally of tallies.values()) tally.add(elements, matrixShape(band.shape)[0]);
    },
    size: () =>
      smallestBy(dense, isSparse ? layouts : [], (spec) => {
        const bytes = tallies.get(spec)?.bytes() ?? null;
        return bytes !== null && isReadable(count, bytes) ? bytes : null;
      }),
  };
}

/**
 * Packs a tensor into the smallest of several layouts. Tensors with fewer than two dimensions or with a type other than
 * F32, F16 or BF16 stay unchanged.
 *
 * @param mask one entry for each element, 1 if it is kept. Kept zeros are stored.
 * @throws RangeError if rounding to `dtype` makes a finite element infinite, or if an element to quantize is not finite
 *
 * @example
 * ```ts
 * import { packTensor, unpackTensor } from "espalier/checkpoint";
 * import { tensorFromFloat32, toFloat32 } from "espalier/io";
 *
 * const values = new Float32Array(64).fill(1, 8, 12);
 * const weight = tensorFromFloat32("F32", [16, 4], values);
 * const { entry, parts } = packTensor("fc.weight", weight);
 * console.assert(entry?.stored.layout === "bitmask" && parts[0]?.[0] === "fc.weight:bits");
 * if (entry === null) throw new Error("expected a smaller layout");
 * const back = unpackTensor("fc.weight", entry, new Map(parts));
 * console.assert(back._tag === "Right" && toFloat32(back.right).join() === values.join());
 * console.assert(unpackTensor("fc.weight", entry, new Map())._tag === "Left");
 * ```
 */
export function packTensor(
  name: string,
  tensor: StoredTensor,
  options: PackOptions = {},
  mask?: Uint8Array,
): PackedTensor {
  checkString("name", name);
  checkTensor(tensor);
  checkOptions("options", options, ["layouts", "dtype", "quantize"]);
  if (mask !== undefined) checkBytes("mask", mask);
  const plain: PackedTensor = { entry: null, parts: [[name, tensor]], error: null };
  const { dtype: unpacked, shape } = tensor;
  if (!isPackedDtype(unpacked) || shape.length < 2) return plain;
  const { layouts = USUAL_LAYOUTS, dtype: target, quantize = false } = options;
  checkRecords("layouts", layouts, "layout");
  if (target !== undefined) checkOneOf("dtype", target, ["F16", "BF16"]);
  const narrow =
    target !== undefined && unpacked === "F32"
      ? rounded(name, tensor, target)
      : { tensor, error: null };
  const { dtype } = narrow.tensor;
  if (!isPackedDtype(dtype)) return plain;
  const plainSource: PackSource = {
    name,
    unpacked,
    mask,
    shape: matrixShape(shape),
    elements: elementsOf(narrow.tensor),
    floats: null,
  };
  // Only pruned tensors are quantized. Quantizing a dense embedding, for example, would only lose precision.
  const isSparse = quantize && smallestReadable(plainSource, USUAL_LAYOUTS).spec !== null;
  const source = isSparse ? { ...plainSource, floats: toFloat32(tensor) } : plainSource;
  const { spec } = smallestReadable(source, layouts);
  if (spec === null) {
    if (dtype === unpacked) return plain;
    const entry: PackedEntry = { shape, dtype, unpacked, stored: { layout: "dense" } };
    return { entry, parts: [[partName(name, "values"), narrow.tensor]], error: narrow.error };
  }
  const { matrix, error } = packSource(source, spec);
  const stored: PackedLayout =
    matrix.layout === "quantized" ? { layout: "quantized", block: matrix.block } : { ...spec };
  return {
    entry: { shape, dtype: matrix.layout === "quantized" ? "F32" : dtype, unpacked, stored },
    parts: packedArrays(matrix).map(([part, array]) => [
      partName(name, part),
      { ...arrayFacts(matrix, part, array, dtype), bytes: bytesOf(array) },
    ]),
    error: error ?? narrow.error,
  };
}

/**
 * Unpacks a tensor. The result has the bits of the original, unless the tensor was rounded. Inconsistent arrays are
 * refused.
 *
 * @param parts the tensors in the file by name, including all parts of this tensor
 */
export function unpackTensor(
  name: string,
  entry: PackedEntry,
  parts: ReadonlyMap<string, StoredTensor>,
): Either<readonly Problem[], StoredTensor> {
  checkString("name", name);
  checkObject("entry", entry, "stored", "shape", "dtype", "unpacked");
  const { stored, shape, dtype, unpacked } = entry;
  checkObject("entry.stored", stored, "layout");
  checkOneOf("entry.stored.layout", stored.layout, ["dense", ...Object.keys(ARRAY_NAMES)]);
  checkMapOf("parts", parts, "dtype", "shape", "bytes");
  const problems: Problem[] = [];
  const arrays = new Map<string, PackedArray>();
  for (const part of partsOf(stored)) {
    const full = partName(name, part);
    const read = readPart(full, part, entry, parts.get(full));
    if (isRight(read)) arrays.set(part, read.right);
    else problems.push(...read.left);
  }
  if (problems.length > 0) return left(problems);
  const packedBytes = sumOf([...arrays.values()], ({ byteLength }) => byteLength);
  const most = mostElements(packedBytes);
  const [rows, columns] = matrixShape(shape);
  if (rows * columns > most)
    return refuse(name, `at most ${most} elements of ${packedBytes} bytes`, `${rows * columns}`);
  const values = arrays.get("values") as ElementArray;
  let elements = values;
  if (stored.layout === "dense") {
    const full = partName(name, "values");
    if (values.length !== rows * columns)
      return refuse(full, `${rows * columns} elements`, `${values.length}`);
    const own = parts.get(full)?.shape.join() ?? "";
    if (own !== shape.join()) return refuse(full, `the shape [${shape}]`, `[${own}]`);
  } else {
    const matrix = assemble(entry, arrays);
    const wrong = packedProblems(matrix);
    if (wrong.length > 0)
      return left(wrong.map((one) => ({ ...one, path: `${name}:${one.path}` })));
    const shapes = shapeProblems(name, matrix, parts);
    if (shapes.length > 0) return left(shapes);
    elements = unpack(matrix);
  }
  const tensor: StoredTensor = { dtype, shape, bytes: bytesOf(elements) };
  if (unpacked === dtype) return right(tensor);
  const bytes = narrowFromFloat32(unpacked, toFloat32(tensor));
  return right({ dtype: unpacked, shape, bytes });
}
