/** Converts between a packed matrix and its arrays, which a file stores as separate tensors. */
import { type Either, left, type Problem, refuse, right } from "../core/either.ts";
import { type Dtype, rawElements } from "../io/dtypes.ts";
import type { StoredTensor } from "../io/safetensors.ts";
import { bitsOfPositions, positionsOfBits } from "../sparse/block-bits.ts";
import { blockGrid } from "../sparse/blocks.ts";
import { blockBitsProblems } from "../sparse/check.ts";
import { type PackedArray, type PackedMatrix, packedArrays } from "../sparse/layout.ts";
import { isInteger, matrixShape, type PackedEntry, partName } from "./packed-manifest.ts";

/** Returns the arrays that a file stores for a packed matrix, with their names, in the order of storage. */
export function storedArrays(matrix: PackedMatrix): readonly (readonly [string, PackedArray])[] {
  if (matrix.layout !== "int8" || matrix.block === null) return packedArrays(matrix);
  const { scales, values } = matrix;
  return Object.entries({ bits: bitsOfPositions(matrix), scales, values });
}

/**
 * Returns the element type and the shape with which a file stores an array of a packed matrix.
 *
 * @param shape the shape of the tensor, whose extents after the first are the columns of the matrix
 */
export function arrayFacts(
  matrix: PackedMatrix,
  part: string,
  array: PackedArray,
  { shape: tensorShape, dtype }: Pick<PackedEntry, "shape" | "dtype">,
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
      case "int8":
        return {
          dtype: stored,
          shape: matrix.block === null ? tensorShape : [matrix.columns.length, ...matrix.block],
        };
      default:
        return matrix satisfies never;
    }
  }
  const dtypes = { 1: "U8", 2: "U16", 4: "U32" } as const;
  return { dtype: dtypes[array.BYTES_PER_ELEMENT as 1 | 2 | 4], shape: [array.length] };
}

/** Reads a part of a packed tensor as the typed array that its layout needs. The values are checked later. */
export function readPart(
  path: string,
  part: string,
  entry: PackedEntry,
  tensor: StoredTensor | undefined,
): Either<readonly Problem[], PackedArray> {
  if (tensor === undefined) return refuse(path, "a tensor in the file", "none");
  const { stored, dtype, shape } = entry;
  const columns = matrixShape(shape)[1];
  const blocks =
    "block" in stored && stored.block !== undefined ? blockGrid([1, columns], stored.block)[1] : 0;
  const index = stored.layout === "channels" || blocks > 0x10000 ? "U32" : "U16";
  const dtypes: Readonly<Record<string, Dtype>> = {
    values: isInteger(stored) ? "I8" : dtype,
    starts: "U32",
    rows: "U32",
    columns: index,
    scales: "BF16",
    indices: "U8",
    bits: "U8",
  };
  const expected = dtypes[part] ?? dtype;
  if (tensor.dtype !== expected) return refuse(path, expected, tensor.dtype);
  return right(rawElements(expected, tensor.bytes) as PackedArray);
}

/** Reports parts of a packed tensor that have the right number of elements but the wrong shape. */
export function shapeProblems(
  name: string,
  matrix: PackedMatrix,
  entry: PackedEntry,
  parts: ReadonlyMap<string, StoredTensor>,
): readonly Problem[] {
  return storedArrays(matrix).flatMap(([part, array]) => {
    const path = partName(name, part);
    const { shape } = arrayFacts(matrix, part, array, entry);
    const own = parts.get(path)?.shape.join() ?? "";
    if (own === shape.join()) return [];
    return [{ path, expected: `the shape [${shape}]`, got: `[${own}]` }];
  });
}

/** Builds a packed matrix from the arrays in a file. Of these, only the bits of blocks are checked. */
export function assemble(
  { shape: tensorShape, stored }: PackedEntry,
  arrays: ReadonlyMap<string, PackedArray>,
): Either<readonly Problem[], PackedMatrix> {
  const shape = matrixShape(tensorShape);
  const parts: Readonly<Record<string, unknown>> = Object.fromEntries(arrays);
  if (stored.layout !== "int8") return right({ ...stored, shape, ...parts } as PackedMatrix);
  const { block = null } = stored;
  if (block === null) return right({ ...stored, shape, block, ...parts } as PackedMatrix);
  const { bits, ...others } = parts;
  const problems = blockBitsProblems(shape, block, bits as Uint8Array);
  if (problems.length > 0) return left(problems);
  const positions = positionsOfBits(shape, block, bits as Uint8Array);
  return right({ ...stored, ...positions, ...others } as PackedMatrix);
}
