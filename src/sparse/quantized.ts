/**
 * Kept blocks with eight bits for each element and a scale for each block. This is the only lossy layout: the error of
 * an element is at most half the scale of its block, and -0 becomes +0.
 */
import { checkFinite, checkFloat32Array, checkLength, checkObject } from "../core/checks.ts";
import { fromBfloat16, roundUpToBfloat16 } from "../core/half.ts";
import { type BlockMatrix, type BlockPositions, checkBlock, unpackBlocks } from "./blocks.ts";

/** A block-sparse matrix of 8-bit integers with a scale for each block. Plain data. */
export interface QuantizedMatrix extends BlockPositions {
  readonly layout: "quantized";
  /** Elements of the kept blocks, from -127 to 127, block by block, row-major within a block. */
  readonly values: Int8Array;
  /** The scale of each block: the bits of a finite bfloat16 number, positive or +0. */
  readonly scales: Uint16Array;
}

/** The error of rounding to eight bits. */
export interface QuantizationError {
  /** The largest absolute error of any element. */
  readonly maximum: number;
  /**
   * The root mean square of the errors, relative to the root mean square of the elements; 0 if all elements are zero.
   */
  readonly relative: number;
}

const LARGEST = 127;

/**
 * Rounds the elements of kept blocks to eight bits. The scale of a block is its largest magnitude divided by 127 and
 * rounded up to bfloat16, so that no element is clipped.
 *
 * @throws RangeError if an element is not finite
 *
 * @example
 * ```ts
 * import { packBlocks, packedBytes, quantizeBlocks, unpack } from "espalier/sparse";
 *
 * const weight = Float32Array.of(127, -63.6, 1, 0);
 * const { matrix, error } = quantizeBlocks(packBlocks(weight, [4, 1], [4, 1]));
 * console.assert(unpack(matrix).join() === "127,-64,1,0");
 * console.assert(error.maximum < 0.5 && packedBytes(matrix) === 4 * 2 + 2 + 4 + 2);
 * ```
 */
export function quantizeBlocks(blocks: BlockMatrix<Float32Array>): {
  readonly matrix: QuantizedMatrix;
  readonly error: QuantizationError;
} {
  checkObject("blocks", blocks, "shape", "block", "starts", "columns", "values");
  checkFloat32Array("blocks.values", blocks.values);
  const { shape, block, starts, columns, values: from } = blocks;
  checkBlock(block);
  checkLength("blocks.values", from, columns.length * block[0] * block[1]);
  checkFinite("values", from);
  const size = block[0] * block[1];
  const values = new Int8Array(from.length);
  const scales = new Uint16Array(columns.length);
  let [maximum, squares, all] = [0, 0, 0];
  for (let index = 0; index < scales.length; index++) {
    const first = index * size;
    let largest = 0;
    for (let i = first; i < first + size; i++) largest = Math.max(largest, Math.abs(from[i]));
    const bits = largest === 0 ? 0 : roundUpToBfloat16(largest / LARGEST);
    const scale = fromBfloat16(bits);
    scales[index] = bits;
    for (let i = first; i < first + size; i++) {
      const value = from[i];
      const rounded = scale === 0 ? 0 : Math.sign(value) * Math.round(Math.abs(value) / scale);
      values[i] = rounded;
      const difference = value - rounded * scale;
      maximum = Math.max(maximum, Math.abs(difference));
      squares += difference * difference;
      all += value * value;
    }
  }
  return {
    matrix: { layout: "quantized", shape, block, starts, columns, values, scales },
    error: { maximum, relative: all === 0 ? 0 : Math.sqrt(squares / all) },
  };
}

/**
 * Returns the dense row-major matrix. An element of a kept block is its integer times its block's scale, without
 * rounding; elements outside the kept blocks are +0.
 */
export function unpackQuantized(matrix: QuantizedMatrix): Float32Array {
  const { shape, block, starts, columns, scales } = matrix;
  const size = block[0] * block[1];
  checkLength("values", matrix.values, scales.length * size);
  const values = new Float32Array(matrix.values.length);
  for (let i = 0; i < values.length; i++)
    values[i] = matrix.values[i] * fromBfloat16(scales[Math.floor(i / size)]);
  return unpackBlocks({ layout: "blocks", shape, block, starts, columns, values });
}
