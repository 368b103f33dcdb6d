/** Reads a packed tensor from its parts, as the matrix that it stores or unpacked. */
import { pipe } from "fp-ts/function";
import { checkMapOf, checkObject, checkOneOf, checkString } from "../core/checks.ts";
import {
  type Either,
  isLeft,
  isRight,
  left,
  map,
  type Problem,
  refuse,
  right,
} from "../core/either.ts";
import { sumOf } from "../core/sum.ts";
import { bytesOf, narrowFromFloat32 } from "../io/dtypes.ts";
import { type StoredTensor, toFloat32 } from "../io/safetensors.ts";
import { packedProblems } from "../sparse/check.ts";
import type { ElementArray, MatrixShape } from "../sparse/elements.ts";
import { ARRAY_NAMES, type PackedArray, type PackedMatrix, unpack } from "../sparse/layout.ts";
import { assemble, readPart, shapeProblems } from "./packed-arrays.ts";
import {
  matrixShape,
  mostElements,
  type PackedEntry,
  partName,
  partsOf,
} from "./packed-manifest.ts";

/** A matrix of a packed tensor that stores every element. */
interface DenseMatrix {
  readonly layout: "dense";
  readonly shape: MatrixShape;
  readonly values: ElementArray;
}

/**
 * Reads a packed tensor as the matrix that it stores, without unpacking it. Inconsistent arrays are refused.
 *
 * @param parts the tensors in the file by name, including all parts of this tensor
 */
export function readPackedMatrix(
  name: string,
  entry: PackedEntry,
  parts: ReadonlyMap<string, StoredTensor>,
): Either<readonly Problem[], PackedMatrix | DenseMatrix> {
  checkString("name", name);
  checkObject("entry", entry, "stored", "shape", "dtype", "unpacked");
  const { stored, shape } = entry;
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
  if (stored.layout === "dense") {
    const full = partName(name, "values");
    if (values.length !== rows * columns)
      return refuse(full, `${rows * columns} elements`, `${values.length}`);
    const own = parts.get(full)?.shape.join() ?? "";
    if (own !== shape.join()) return refuse(full, `the shape [${shape}]`, `[${own}]`);
    return right({ layout: "dense", shape: [rows, columns], values });
  }
  const assembled = assemble(entry, arrays);
  const wrong = isLeft(assembled) ? assembled.left : packedProblems(assembled.right);
  if (isLeft(assembled) || wrong.length > 0)
    return left(wrong.map((one) => ({ ...one, path: `${name}:${one.path}` })));
  const shapes = shapeProblems(name, assembled.right, entry, parts);
  return shapes.length > 0 ? left(shapes) : assembled;
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
  return pipe(
    readPackedMatrix(name, entry, parts),
    map((matrix) => {
      const { shape, dtype, unpacked } = entry;
      const elements = matrix.layout === "dense" ? matrix.values : unpack(matrix);
      const tensor: StoredTensor = { dtype, shape, bytes: bytesOf(elements) };
      if (unpacked === dtype) return tensor;
      const bytes = narrowFromFloat32(unpacked, toFloat32(tensor));
      return { dtype: unpacked, shape, bytes };
    }),
  );
}
