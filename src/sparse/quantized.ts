/**
 * Kept blocks with eight bits for each element and one scale for each block. The one layout that loses something: an
 * element is off by at most half of its block's scale, and -0 becomes +0.
 */
import { checkFinite, mismatch } from "../core/checks.ts";
import { type BlockMatrix, type BlockPositions, forEachKept } from "./blocks.ts";

/** A block-sparse matrix of small integers: plain data. */
export interface QuantizedMatrix extends BlockPositions {
  readonly layout: "quantized";
  /** The kept blocks' elements from -127 to 127, one block after the other, row-major in a block. */
  readonly values: Int8Array;
  /** What 1 stands for in each block: the bits of a bfloat16 number, finite, positive or +0. */
  readonly scales: Uint16Array;
}

/** What rounding to eight bits did. */
export interface QuantizationError {
  /** The greatest difference of an element. */
  readonly maximum: number;
  /** The root of the differences' mean square over that of the elements; 0 where there is none. */
  readonly relative: number;
}

/** The largest integer that an element takes. */
const LARGEST = 127;

const word = new Float32Array(1);
const wordBits = new Uint32Array(word.buffer);

/** The bits of the least bfloat16 that is at least `value`, which is positive and finite. */
function roundUpToBfloat16(value: number): number {
  word[0] = value;
  // Rounding to a float32 may have gone down.
  const bits = (wordBits[0] as number) + ((word[0] as number) < value ? 1 : 0);
  return (bits + 0xffff) >>> 16;
}

/** The number with the bits of a bfloat16. */
export function fromBfloat16(bits: number): number {
  wordBits[0] = bits << 16;
  return word[0] as number;
}

/**
 * Rounds the kept blocks' elements to eight bits. A block's scale is its largest magnitude over 127, rounded up to
 * bfloat16, so that no element is cut off.
 *
 * @throws RangeError where an element is not finite
 *
 * @example
 * ```ts
 * import { packBlocks, packedBytes, quantizeBlocks, unpackQuantized } from "espalier/sparse";
 *
 * const weight = Float32Array.of(127, -63.6, 1, 0);
 * const { matrix, error } = quantizeBlocks(packBlocks(weight, [4, 1], [4, 1]));
 * console.assert(unpackQuantized(matrix).join() === "127,-64,1,0");
 * console.assert(error.maximum < 0.5 && packedBytes(matrix) === 4 * 2 + 2 + 4 + 2);
 * ```
 */
export function quantizeBlocks(blocks: BlockMatrix<Float32Array>): {
  readonly matrix: QuantizedMatrix;
  readonly error: QuantizationError;
} {
  const { shape, block, starts, columns, values: from } = blocks;
  checkFinite("values", from);
  const size = block[0] * block[1];
  const values = new Int8Array(from.length);
  const scales = new Uint16Array(columns.length);
  let [maximum, squares, all] = [0, 0, 0];
  for (let index = 0; index < scales.length; index++) {
    const first = index * size;
    let largest = 0;
    for (let i = first; i < first + size; i++)
      largest = Math.max(largest, Math.abs(from[i] as number));
    const bits = largest === 0 ? 0 : roundUpToBfloat16(largest / LARGEST);
    const scale = fromBfloat16(bits);
    scales[index] = bits;
    for (let i = first; i < first + size; i++) {
      const value = from[i] as number;
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
 * The kept blocks with 32-bit floats for elements: each is its integer times its block's scale, which is exact.
 *
 * @example
 * ```ts
 * import { dequantizeBlocks, packBlocks, quantizeBlocks } from "espalier/sparse";
 *
 * const { matrix } = quantizeBlocks(packBlocks(Float32Array.of(1, 0.5), [2, 1], [2, 1]));
 * const [one = 0, half = 0] = dequantizeBlocks(matrix).values;
 * console.assert(Math.abs(one - 1) < 0.004 && Math.abs(half - 0.5) < 0.004);
 * ```
 */
export function dequantizeBlocks(matrix: QuantizedMatrix): BlockMatrix<Float32Array> {
  const { shape, block, starts, columns, scales } = matrix;
  const size = block[0] * block[1];
  if (matrix.values.length !== scales.length * size)
    throw new RangeError(
      mismatch("values", `${scales.length * size} elements`, matrix.values.length),
    );
  const values = new Float32Array(matrix.values.length);
  for (let i = 0; i < values.length; i++)
    values[i] = (matrix.values[i] as number) * fromBfloat16(scales[Math.floor(i / size)] as number);
  return { layout: "blocks", shape, block, starts, columns, values };
}

/**
 * The dense row-major matrix of 32-bit floats; elements outside the kept blocks are +0.
 *
 * @example
 * ```ts
 * import { packBlocks, quantizeBlocks, unpackQuantized } from "espalier/sparse";
 *
 * const { matrix } = quantizeBlocks(packBlocks(new Float32Array(8), [4, 2], [4, 1]));
 * console.assert(matrix.scales.length === 0 && unpackQuantized(matrix).join() === "0,0,0,0,0,0,0,0");
 * ```
 */
export function unpackQuantized(matrix: QuantizedMatrix): Float32Array {
  const { values } = dequantizeBlocks(matrix);
  const dense = new Float32Array(matrix.shape[0] * matrix.shape[1]);
  forEachKept(matrix, (start, position) => {
    dense[start] = values[position] as number;
  });
  return dense;
}
