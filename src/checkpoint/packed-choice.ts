/** Chooses the smallest layout for a matrix and packs it, with optional rounding to 16-bit floats or 8-bit integers. */
import { checkFinite, mismatch } from "../core/checks.ts";
import { narrowFromFloat32, rawElements } from "../io/dtypes.ts";
import { type StoredTensor, toFloat32 } from "../io/safetensors.ts";
import { type BlockShape, packBlocks } from "../sparse/blocks.ts";
import { checkMatrix, type ElementArray, type MatrixShape } from "../sparse/elements.ts";
import { type LayoutSpec, type PackedMatrix, pack } from "../sparse/layout.ts";
import { type QuantizationError, quantizeBlocks, unpackQuantized } from "../sparse/quantized.ts";
import {
  hasZero,
  type LayoutSize,
  layoutBytes,
  quantizedBytes,
  smallestBy,
} from "../sparse/size.ts";
import { isReadable, type PackedDtype } from "./packed-manifest.ts";

/** The error caused by rounding a tensor's elements. */
export type RoundingError = QuantizationError;

/** Returns the elements as a typed array. 16-bit floats stay unconverted, as their bit patterns. */
export function elementsOf({ dtype, bytes }: StoredTensor): ElementArray {
  const raw = rawElements(dtype, bytes);
  if (raw instanceof Float32Array || raw instanceof Uint16Array) return raw;
  throw new TypeError(mismatch("dtype", "F32, F16 or BF16", dtype));
}

function roundingError(before: Float32Array, after: Float32Array): RoundingError {
  let [maximum, squares, all] = [0, 0, 0];
  before.forEach((value, i) => {
    const difference = value - (after[i] as number);
    // Rounding leaves infinities and NaN unchanged.
    if (!Number.isFinite(value)) return;
    maximum = Math.max(maximum, Math.abs(difference));
    squares += difference * difference;
    all += value * value;
  });
  return { maximum, relative: all === 0 ? 0 : Math.sqrt(squares / all) };
}

/** Rounds a tensor to another element type. @throws RangeError if a finite element becomes infinite */
export function rounded(
  name: string,
  tensor: StoredTensor,
  dtype: "F16" | "BF16",
): { readonly tensor: StoredTensor; readonly error: RoundingError } {
  const before = toFloat32(tensor);
  const to: StoredTensor = { ...tensor, dtype, bytes: narrowFromFloat32(dtype, before) };
  const error = roundingError(before, toFloat32(to));
  if (error.maximum === Infinity)
    throw new RangeError(mismatch(name, `elements that ${dtype} can hold`, "one beyond its range"));
  return { tensor: to, error };
}

export interface PackSource {
  readonly name: string;
  readonly shape: MatrixShape;
  /** The elements to store if nothing is quantized. */
  readonly elements: ElementArray;
  /** The values before rounding, which quantization needs; null if blocks are not quantized. */
  readonly floats: Float32Array | null;
  readonly unpacked: PackedDtype;
  readonly mask?: Uint8Array | undefined;
}

/**
 * Returns the size in bytes of the matrix in a layout; null if the layout cannot hold the matrix, or if the packed
 * matrix would be so small that readers refuse it.
 */
function bytesIn({ elements, floats, shape, mask }: PackSource, spec: LayoutSpec): number | null {
  const bytes =
    floats !== null && spec.layout === "blocks"
      ? quantizedBytes(floats, shape, spec.block, mask)
      : layoutBytes(elements, shape, spec, mask);
  return bytes !== null && isReadable(elements.length, bytes) ? bytes : null;
}

/** Returns the smallest layout that readers accept, and its size. */
export function smallestReadable(source: PackSource, layouts: readonly LayoutSpec[]): LayoutSize {
  const { elements, floats, shape, mask } = source;
  checkMatrix(elements, shape, mask);
  // Without zeros, only quantization saves space.
  const candidates = hasZero(elements)
    ? layouts
    : layouts.filter(({ layout }) => floats !== null && layout === "blocks");
  return smallestBy(elements.byteLength, candidates, (spec) => bytesIn(source, spec));
}

/** Quantizes blocks to eight bits. @throws RangeError if an element is not finite before or after quantization */
function quantized(source: PackSource, floats: Float32Array, block: BlockShape) {
  const { name, shape, unpacked, mask } = source;
  checkFinite(name, floats);
  const { matrix, error } = quantizeBlocks(packBlocks(floats, shape, block, mask));
  if (unpacked === "F32") return { matrix, error };
  const bytes = narrowFromFloat32(unpacked, unpackQuantized(matrix));
  const whole = roundingError(floats, toFloat32({ dtype: unpacked, shape, bytes }));
  if (whole.maximum === Infinity) {
    const expected = `elements that ${unpacked} can hold when they are rounded to eight bits`;
    throw new RangeError(mismatch(name, expected, "one beyond its range"));
  }
  return { matrix, error: whole };
}

/** Packs a matrix into a layout. Blocks are quantized if the source has `floats`. */
export function packSource(
  source: PackSource,
  spec: LayoutSpec,
): { readonly matrix: PackedMatrix; readonly error: RoundingError | null } {
  const { shape, elements, floats, mask } = source;
  if (floats !== null && spec.layout === "blocks") return quantized(source, floats, spec.block);
  return { matrix: pack(elements, shape, spec, mask), error: null };
}
