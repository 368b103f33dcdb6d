/** Chooses the smallest layout for a matrix and packs it, with optional rounding to 16-bit floats or 8-bit integers. */
import { checkFinite, mismatch } from "../core/checks.ts";
import { narrowFromFloat32, rawElements } from "../io/dtypes.ts";
import { type StoredTensor, toFloat32 } from "../io/safetensors.ts";
import { type BlockShape, packBlocks } from "../sparse/blocks.ts";
import { checkMatrix, type ElementArray, type MatrixShape } from "../sparse/elements.ts";
import { type Int8Matrix, quantizeRows, unpackInt8 } from "../sparse/int8.ts";
import { type LayoutSpec, type PackedMatrix, pack } from "../sparse/layout.ts";
import {
  type QuantizationError,
  type QuantizedMatrix,
  quantizeBlocks,
  unpackQuantized,
} from "../sparse/quantized.ts";
import {
  hasZero,
  int8Bytes,
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

/** Rounding of a matrix to 8-bit integers. */
interface IntegerRounding {
  /** The values before any rounding. */
  readonly floats: Float32Array;
  /** The size in bytes with every element stored; null if only blocks are rounded. */
  readonly denseBytes: number | null;
  blockBytes(block: BlockShape): number | null;
  /** @param block the blocks to store; null for every element */
  round(block: BlockShape | null): {
    readonly matrix: QuantizedMatrix | Int8Matrix;
    readonly error: RoundingError;
  };
}

/** Rounds blocks with a scale for each. */
export function withBlockScales(
  floats: Float32Array,
  shape: MatrixShape,
  mask?: Uint8Array,
): IntegerRounding {
  return {
    floats,
    denseBytes: null,
    blockBytes: (block) => quantizedBytes(floats, shape, block, mask),
    round: (block) => quantizeBlocks(packBlocks(floats, shape, block ?? [1, 1], mask)),
  };
}

/** Rounds all elements or blocks with a scale for each row, to integers of `bits` bits. */
export function withRowScales(
  floats: Float32Array,
  shape: MatrixShape,
  bits: number,
  mask?: Uint8Array,
): IntegerRounding {
  return {
    floats,
    denseBytes: int8Bytes(floats, shape, null),
    blockBytes: (block) => int8Bytes(floats, shape, block, mask),
    round: (block) => quantizeRows(floats, shape, { block, mask, bits }),
  };
}

export interface PackSource {
  readonly name: string;
  readonly shape: MatrixShape;
  /** The elements to store if they are not rounded to integers. */
  readonly elements: ElementArray;
  readonly integers: IntegerRounding | null;
  readonly unpacked: PackedDtype;
  readonly mask?: Uint8Array | undefined;
}

/**
 * Returns the size in bytes of the matrix in a layout; null if the layout cannot hold the matrix, or if the packed
 * matrix would be so small that readers refuse it.
 */
function bytesIn({ elements, integers, shape, mask }: PackSource, spec: LayoutSpec): number | null {
  const bytes =
    integers !== null && spec.layout === "blocks"
      ? integers.blockBytes(spec.block)
      : layoutBytes(elements, shape, spec, mask);
  return bytes !== null && isReadable(elements.length, bytes) ? bytes : null;
}

/** Returns the smallest layout that readers accept, and its size. */
export function smallestReadable(source: PackSource, layouts: readonly LayoutSpec[]): LayoutSize {
  const { elements, integers, shape, mask } = source;
  checkMatrix(elements, shape, mask);
  const dense = integers?.denseBytes ?? elements.byteLength;
  // Without zeros, blocks save space only if they alone are integers.
  const blocksSave = integers !== null && integers.denseBytes === null;
  const candidates = hasZero(elements)
    ? layouts
    : layouts.filter(({ layout }) => blocksSave && layout === "blocks");
  return smallestBy(dense, candidates, (spec) => bytesIn(source, spec));
}

interface PackedSource {
  readonly matrix: PackedMatrix;
  readonly error: RoundingError | null;
}

/** Rounds to integers. @throws RangeError if an element is not finite before or after rounding */
function rounding(
  { name, shape, unpacked }: PackSource,
  { floats, round }: IntegerRounding,
  block: BlockShape | null,
): PackedSource {
  checkFinite(name, floats);
  const { matrix, error } = round(block);
  if (unpacked === "F32") return { matrix, error };
  const after = matrix.layout === "int8" ? unpackInt8(matrix) : unpackQuantized(matrix);
  const bytes = narrowFromFloat32(unpacked, after);
  const whole = roundingError(floats, toFloat32({ dtype: unpacked, shape, bytes }));
  if (whole.maximum === Infinity) {
    const expected = `elements that ${unpacked} can hold when they are rounded to eight bits`;
    throw new RangeError(mismatch(name, expected, "one beyond its range"));
  }
  return { matrix, error: whole };
}

/**
 * Packs a matrix into a layout. Blocks become integers if the source has a rounding. Without a layout, all elements
 * become integers; null if the source does not round all.
 */
export function packSource(source: PackSource, spec: LayoutSpec | null): PackedSource | null {
  const { shape, elements, integers, mask } = source;
  if (spec === null)
    return integers === null || integers.denseBytes === null
      ? null
      : rounding(source, integers, null);
  if (integers !== null && spec.layout === "blocks") return rounding(source, integers, spec.block);
  return { matrix: pack(elements, shape, spec, mask), error: null };
}
