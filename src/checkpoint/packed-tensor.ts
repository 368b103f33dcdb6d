import {
  checkBytes,
  checkInteger,
  checkOneOf,
  checkOptions,
  checkRecords,
  checkString,
  mismatch,
} from "../core/checks.ts";
import type { PruningKernels } from "../core/pruning-kernels.ts";
import { bytesOf, elementBytes } from "../io/dtypes.ts";
import { checkTensor, type StoredTensor, toFloat32 } from "../io/safetensors.ts";
import type { LayoutSpec, PackedMatrix } from "../sparse/layout.ts";
import {
  hasZero,
  INT8_LAYOUTS,
  type LayoutSize,
  smallestBy,
  USUAL_LAYOUTS,
} from "../sparse/size.ts";
import { layoutTally } from "../sparse/tally.ts";
import { arrayFacts, storedArrays } from "./packed-arrays.ts";
import {
  elementsOf,
  type PackSource,
  packSource,
  type RoundingError,
  rounded,
  smallestReadable,
  withBlockScales,
  withRowScales,
} from "./packed-choice.ts";
import {
  isInteger,
  isPackedDtype,
  isReadable,
  matrixShape,
  type PackedEntry,
  type PackedLayout,
  partName,
} from "./packed-manifest.ts";

export type { RoundingError } from "./packed-choice.ts";

/** Options that determine how tensors are packed. */
export interface PackOptions {
  /** The candidate layouts in addition to dense. Default: all usual layouts; with `int8`, those that it can execute. */
  readonly layouts?: readonly LayoutSpec[];
  /** F32 tensors with at least two dimensions are rounded to this type. Default: no rounding. */
  readonly dtype?: "F16" | "BF16";
  /**
   * Whether to store blocks as 8-bit integers with a scale for each block, instead of `dtype`. Only tensors whose
   * smallest layout is a block layout are quantized. Default false.
   */
  readonly quantize?: boolean;
  /**
   * Whether to store matrices as 8-bit integers with a scale for each row: those of at least 4096 elements that become
   * smaller, as blocks if these take fewer bytes. With `dtype`, tensors of one dimension are rounded to it as well.
   * Default false; not together with `quantize`.
   */
  readonly int8?: boolean;
  /**
   * With `int8`, the bits that the integers use, from 2 to 8. Fewer bits take as many bytes, but compress better.
   * Default 8.
   */
  readonly bits?: number;
}

/** The options that determine how a tensor is packed. */
export const PACK_OPTIONS: readonly string[] = Object.keys({
  layouts: true,
  dtype: true,
  quantize: true,
  int8: true,
  bits: true,
} satisfies Record<keyof PackOptions, true>);

/** @throws TypeError or RangeError if the options do not fit together */
export function checkPackOptions(options: PackOptions): void {
  const { layouts, dtype, quantize = false, int8 = false, bits } = options;
  if (layouts !== undefined) checkRecords("layouts", layouts, "layout");
  if (dtype !== undefined) checkOneOf("dtype", dtype, ["F16", "BF16"]);
  if (int8 && quantize) throw new RangeError(mismatch("quantize", "false beside int8", true));
  if (bits === undefined) return;
  checkInteger("bits", bits, 2, 8);
  if (!int8) throw new RangeError(mismatch("bits", "int8 beside it", "none"));
}

/** Smaller matrices stay floats: the heads of classifiers, whose errors no later layer averages. */
const LEAST_INT8_ELEMENTS = 4096;

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
  checkOptions("options", options, PACK_OPTIONS);
  checkPackOptions(options);
  if (mask !== undefined) checkBytes("mask", mask);
  const plain: PackedTensor = { entry: null, parts: [[name, tensor]], error: null };
  const { dtype: unpacked, shape } = tensor;
  const { dtype: target, int8 = false, layouts = int8 ? INT8_LAYOUTS : USUAL_LAYOUTS } = options;
  if (!isPackedDtype(unpacked) || shape.length < (int8 ? 1 : 2)) return plain;
  const narrow =
    target !== undefined && unpacked === "F32"
      ? rounded(name, tensor, target)
      : { tensor, error: null };
  const { dtype } = narrow.tensor;
  if (!isPackedDtype(dtype)) return plain;
  const exact: PackSource = {
    name,
    unpacked,
    mask,
    shape: matrixShape(shape),
    elements: elementsOf(narrow.tensor),
    integers: null,
  };
  const source: PackSource = { ...exact, integers: integersOf(exact, tensor, options) };
  const { spec } = shape.length < 2 ? { spec: null } : smallestReadable(source, layouts);
  const packed = packSource(source, spec);
  if (packed === null) {
    if (dtype === unpacked) return plain;
    const entry: PackedEntry = { shape, dtype, unpacked, stored: { layout: "dense" } };
    return { entry, parts: [[partName(name, "values"), narrow.tensor]], error: narrow.error };
  }
  const { matrix, error } = packed;
  const stored = layoutOf(matrix);
  const entry: PackedEntry = { shape, dtype: isInteger(stored) ? "F32" : dtype, unpacked, stored };
  return {
    entry,
    parts: storedArrays(matrix).map(([part, array]) => [
      partName(name, part),
      { ...arrayFacts(matrix, part, array, entry), bytes: bytesOf(array) },
    ]),
    error: error ?? narrow.error,
  };
}

/** Returns how a tensor is rounded to integers; null if it is not. */
function integersOf(
  exact: PackSource,
  tensor: StoredTensor,
  { quantize = false, int8 = false, bits = 8 }: PackOptions,
): PackSource["integers"] {
  const { shape, mask } = exact;
  const elements = exact.elements.length;
  if (int8) {
    if (tensor.shape.length < 2 || elements < LEAST_INT8_ELEMENTS) return null;
    const rounding = withRowScales(toFloat32(tensor), shape, bits, mask);
    return (rounding.denseBytes ?? Infinity) < tensor.bytes.length ? rounding : null;
  }
  // Only pruned tensors are quantized. Quantizing a dense embedding, for example, would only lose precision.
  const isPruned = quantize && smallestReadable(exact, USUAL_LAYOUTS).spec !== null;
  return isPruned ? withBlockScales(toFloat32(tensor), shape, mask) : null;
}

function layoutOf(matrix: PackedMatrix): PackedLayout {
  switch (matrix.layout) {
    case "blocks":
    case "quantized":
      return { layout: matrix.layout, block: matrix.block };
    case "int8":
      return { layout: "int8", ...(matrix.block !== null && { block: matrix.block }) };
    case "groups":
      return { layout: "groups", prune: matrix.prune, of: matrix.of };
    case "bitmask":
    case "channels":
      return { layout: matrix.layout };
    default:
      return matrix satisfies never;
  }
}
