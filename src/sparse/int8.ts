/**
 * Matrices of 8-bit integers with a scale for each row, dense or as kept blocks, in the form that integer kernels
 * compute with. Storage is lossy: the error of an element is at most half of its row's scale, and -0 becomes +0.
 */
import {
  checkFinite,
  checkFloat32Array,
  checkInteger,
  checkLength,
  checkObject,
  checkOptions,
} from "../core/checks.ts";
import { fromBfloat16, roundUpToBfloat16 } from "../core/half.ts";
import {
  type BlockMatrix,
  type BlockPositions,
  type BlockShape,
  checkBlock,
  packBlocks,
  unpackBlocks,
} from "./blocks.ts";
import { checkMatrix, type MatrixShape } from "./elements.ts";
import type { QuantizationError } from "./quantized.ts";

interface Int8Elements {
  readonly layout: "int8";
  /** Elements from -127 to 127: row-major, or as those of a {@link BlockMatrix}. */
  readonly values: Int8Array;
  /** The scale of each row of the matrix: the bits of a finite bfloat16 number, positive or +0. */
  readonly scales: Uint16Array;
}

/** A matrix of which every element is stored. Plain data. */
export interface DenseInt8Matrix extends Int8Elements {
  readonly shape: MatrixShape;
  readonly block: null;
}

/** A matrix stored as its kept blocks; their elements beyond the edges of the matrix are 0. Plain data. */
export interface BlockInt8Matrix extends Int8Elements, BlockPositions {}

/** A matrix of 8-bit integers with a scale for each row. */
export type Int8Matrix = DenseInt8Matrix | BlockInt8Matrix;

/** How {@link quantizeRows} stores a matrix. */
export interface Int8Options {
  /** If given, only blocks are stored in which any element is not +0 or is kept by `mask`. */
  readonly block?: BlockShape | null;
  /** One entry for each element, 1 if it is kept. */
  readonly mask?: Uint8Array | undefined;
  /** The bits that an integer uses, from 2 to 8: fewer bits compress better. Default 8: from -127 to 127. */
  readonly bits?: number;
}

/**
 * Rounds a row-major matrix to eight bits. The scale of a row is its largest magnitude divided by 127 (or the largest
 * integer of fewer bits) and rounded up to bfloat16, so that no element is clipped. It is +0 if all elements are 0.
 *
 * @throws RangeError if an element is not finite, or if `data` has not as many elements as the shape
 *
 * @example
 * ```ts
 * import { quantizeRows, unpack } from "espalier/sparse";
 *
 * const weight = Float32Array.of(127, -63.6, 0, 0, 0.25, 0);
 * const { matrix, error } = quantizeRows(weight, [3, 2]);
 * console.assert(matrix.values.join() === "127,-64,0,0,126,0" && error.maximum < 0.5);
 * console.assert(unpack(matrix).slice(0, 4).join() === "127,-64,0,0");
 * const blocks = quantizeRows(weight, [3, 2], { block: [1, 2] }).matrix;
 * console.assert(blocks.values.join() === "127,-64,126,0");
 * ```
 */
export function quantizeRows(
  data: Float32Array,
  shape: MatrixShape,
  options: Int8Options = {},
): { readonly matrix: Int8Matrix; readonly error: QuantizationError } {
  checkFloat32Array("data", data);
  checkOptions("options", options, ["block", "mask", "bits"]);
  const { block = null, mask, bits = 8 } = options;
  checkMatrix(data, shape, mask);
  checkFinite("data", data);
  if (block !== null) return quantizeRowsOfBlocks(packBlocks(data, shape, block, mask), bits);
  const { values, scales, error } = roundRows(data, runsOfDense(shape), bits);
  return { matrix: { layout: "int8", shape: [...shape], block: null, values, scales }, error };
}

/** Rounds the kept blocks of a matrix to eight bits, with the scales of {@link quantizeRows}. */
export function quantizeRowsOfBlocks(
  blocks: BlockMatrix<Float32Array>,
  bits = 8,
): {
  readonly matrix: BlockInt8Matrix;
  readonly error: QuantizationError;
} {
  checkObject("blocks", blocks, "shape", "block", "starts", "columns", "values");
  checkFloat32Array("blocks.values", blocks.values);
  const { shape, block, starts, columns } = blocks;
  checkBlock(block);
  checkLength("blocks.values", blocks.values, columns.length * block[0] * block[1]);
  checkFinite("blocks.values", blocks.values);
  const { values, scales, error } = roundRows(blocks.values, runsOfBlocks(blocks), bits);
  return { matrix: { layout: "int8", shape, block, starts, columns, values, scales }, error };
}

/** Stored elements as runs of equal length, each within one row of the matrix. */
interface Runs {
  /** The number of rows of the matrix. */
  readonly rows: number;
  readonly length: number;
  /** The row of each run. */
  readonly rowOf: Uint32Array;
}

function runsOfDense([rows, columns]: MatrixShape): Runs {
  return { rows, length: columns, rowOf: Uint32Array.from({ length: rows }, (_, row) => row) };
}

/** Elements beyond the last row, which are 0, count as elements of it. */
function runsOfBlocks({ shape: [rows], block, starts }: BlockPositions): Runs {
  const [height, width] = block;
  const rowOf = new Uint32Array((starts.at(-1) ?? 0) * height);
  for (let blockRow = 0; blockRow + 1 < starts.length; blockRow++)
    for (let run = starts[blockRow] * height; run < starts[blockRow + 1] * height; run++)
      rowOf[run] = Math.min(rows - 1, blockRow * height + (run % height));
  return { rows, length: width, rowOf };
}

function roundRows(from: Float32Array, { rows, length, rowOf }: Runs, bits: number) {
  checkInteger("bits", bits, 2, 8);
  const most = 2 ** (bits - 1) - 1;
  const largest = new Float32Array(rows);
  for (let run = 0, at = 0; run < rowOf.length; run++) {
    let own = largest[rowOf[run]];
    for (const end = at + length; at < end; at++) own = Math.max(own, Math.abs(from[at]));
    largest[rowOf[run]] = own;
  }
  const scales = new Uint16Array(rows);
  for (let row = 0; row < rows; row++)
    scales[row] = largest[row] === 0 ? 0 : roundUpToBfloat16(largest[row] / most);
  const values = new Int8Array(from.length);
  let [maximum, squares, all] = [0, 0, 0];
  for (let run = 0, at = 0; run < rowOf.length; run++) {
    const scale = fromBfloat16(scales[rowOf[run]]);
    for (const end = at + length; at < end; at++) {
      const value = from[at];
      const rounded = scale === 0 ? 0 : Math.sign(value) * Math.round(Math.abs(value) / scale);
      values[at] = rounded;
      const difference = value - rounded * scale;
      maximum = Math.max(maximum, Math.abs(difference));
      squares += difference * difference;
      all += value * value;
    }
  }
  const error: QuantizationError = { maximum, relative: all === 0 ? 0 : Math.sqrt(squares / all) };
  return { values, scales, error };
}

function multiplied({ values: from, scales }: Int8Matrix, { length, rowOf }: Runs): Float32Array {
  const values = new Float32Array(from.length);
  for (let run = 0, at = 0; run < rowOf.length; run++) {
    const scale = fromBfloat16(scales[rowOf[run]]);
    for (const end = at + length; at < end; at++) values[at] = from[at] * scale;
  }
  return values;
}

/**
 * Returns the dense row-major matrix. A stored element is its integer times its row's scale, without rounding; elements
 * outside the kept blocks are +0.
 */
export function unpackInt8(matrix: Int8Matrix): Float32Array {
  checkLength("scales", matrix.scales, matrix.shape[0]);
  if (matrix.block === null) {
    checkLength("values", matrix.values, matrix.shape[0] * matrix.shape[1]);
    return multiplied(matrix, runsOfDense(matrix.shape));
  }
  const { shape, block, starts, columns } = matrix;
  checkLength("values", matrix.values, columns.length * block[0] * block[1]);
  const values = multiplied(matrix, runsOfBlocks(matrix));
  return unpackBlocks({ layout: "blocks", shape, block, starts, columns, values });
}
