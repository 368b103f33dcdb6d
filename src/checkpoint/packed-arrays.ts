/** Converts between a packed matrix and its arrays, which a file stores as separate tensors. */
import { type Either, type Problem, refuse, right } from "../core/either.ts";
import { type Dtype, rawElements } from "../io/dtypes.ts";
import type { StoredTensor } from "../io/safetensors.ts";
import { blockGrid } from "../sparse/blocks.ts";
import { type PackedArray, type PackedMatrix, packedArrays } from "../sparse/layout.ts";
import { matrixShape, type PackedDtype, type PackedEntry, partName } from "./packed-manifest.ts";

/** Returns the element type and the shape with which a file stores an array of a packed matrix. */
export function arrayFacts(
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
  const blocks = "block" in stored ? blockGrid([1, columns], stored.block)[1] : 0;
  const index = stored.layout === "channels" || blocks > 0x10000 ? "U32" : "U16";
  const dtypes: Readonly<Record<string, Dtype>> = {
    values: stored.layout === "quantized" ? "I8" : dtype,
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
  parts: ReadonlyMap<string, StoredTensor>,
): readonly Problem[] {
  return packedArrays(matrix).flatMap(([part, array]) => {
    const path = partName(name, part);
    const { shape } = arrayFacts(matrix, part, array, "F32");
    const own = parts.get(path)?.shape.join() ?? "";
    if (own === shape.join()) return [];
    return [{ path, expected: `the shape [${shape}]`, got: `[${own}]` }];
  });
}

/** Builds a packed matrix from its arrays, without checking them. */
export function assemble(
  entry: PackedEntry,
  arrays: ReadonlyMap<string, PackedArray>,
): PackedMatrix {
  const shape = matrixShape(entry.shape);
  const parts: Readonly<Record<string, unknown>> = Object.fromEntries(arrays);
  return { ...entry.stored, shape, ...parts } as PackedMatrix;
}
