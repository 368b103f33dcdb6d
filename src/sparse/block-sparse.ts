/**
 * A matrix stored by its blocks (BSR): only blocks with a bit set are kept, so that what is unpacked
 * equals what was packed bit for bit, -0 and NaN payloads included.
 */
import { checkFloat32Array, checkInteger } from "../core/checks.ts";

/** A block-sparse matrix: plain data. Block rows and columns count blocks, not elements. */
export interface BlockSparseMatrix {
  /** Rows and columns of the dense matrix; multiples of the block's. */
  readonly shape: readonly [rows: number, columns: number];
  /** Height and width of a block: [4, 1] for the pattern 4x1. */
  readonly block: readonly [height: number, width: number];
  /** Kept blocks of block row r stand at blockRowStarts[r] to blockRowStarts[r + 1]. */
  readonly blockRowStarts: Uint32Array;
  /** Block column of each kept block, ascending within a block row. */
  readonly blockColumns: Uint32Array;
  /** The kept blocks' elements one block after the other, row-major in a block. */
  readonly values: Float32Array;
}

/**
 * Packs a row-major matrix. A block is left out where all of its elements are +0.
 *
 * @throws TypeError if `data` is no Float32Array; RangeError if its length is not the shape's, or the
 * block does not divide the shape
 *
 * @example
 * ```ts
 * import { packBlocks, packedBytes, unpackBlocks } from "espalier/sparse";
 *
 * const weight = new Float32Array(8 * 4);
 * weight.set([1, 2, 3, 4], 0);
 * const packed = packBlocks(weight, [8, 4], [4, 1]);
 * if (packed.blockColumns.length !== 4) throw new Error("expected the four blocks of the first block row");
 * if (unpackBlocks(packed).join() !== weight.join()) throw new Error("expected an exact round trip");
 * if (packedBytes(packed) !== 4 * (3 + 4 + 16)) throw new Error("expected starts, columns and values");
 * ```
 */
export function packBlocks(
  data: Float32Array,
  shape: readonly [rows: number, columns: number],
  block: readonly [height: number, width: number],
): BlockSparseMatrix {
  checkBlocks(shape, block);
  const [rows, columns] = shape;
  const [height, width] = block;
  checkFloat32Array("data", data, rows * columns);
  const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
  const blockRows = rows / height;
  const blockColumnCount = columns / width;
  const blockRowStarts = new Uint32Array(blockRows + 1);
  const kept: number[] = [];
  for (let blockRow = 0; blockRow < blockRows; blockRow++) {
    for (let blockColumn = 0; blockColumn < blockColumnCount; blockColumn++) {
      const start = blockRow * height * columns + blockColumn * width;
      if (hasBits(bits, start, columns, block)) kept.push(blockColumn);
    }
    blockRowStarts[blockRow + 1] = kept.length;
  }
  const packed: BlockSparseMatrix = {
    shape: [rows, columns],
    block: [height, width],
    blockRowStarts,
    blockColumns: Uint32Array.from(kept),
    values: new Float32Array(kept.length * height * width),
  };
  moveBlocks(packed, (start, length, position) => {
    packed.values.set(data.subarray(start, start + length), position);
  });
  return packed;
}

/**
 * The dense row-major matrix of a packed one; elements outside the kept blocks are +0.
 *
 * @example
 * ```ts
 * import { packBlocks, unpackBlocks } from "espalier/sparse";
 *
 * const packed = packBlocks(Float32Array.of(0, -0, 0, 5), [2, 2], [1, 1]);
 * if (!Object.is(unpackBlocks(packed)[1], -0)) throw new Error("expected -0 to survive");
 * ```
 */
export function unpackBlocks(matrix: BlockSparseMatrix): Float32Array {
  const dense = new Float32Array(matrix.shape[0] * matrix.shape[1]);
  moveBlocks(matrix, (start, length, position) => {
    dense.set(matrix.values.subarray(position, position + length), start);
  });
  return dense;
}

/**
 * Bytes of a packed matrix's arrays: block row starts, block columns and values.
 *
 * @example
 * ```ts
 * import { packBlocks, packedBytes } from "espalier/sparse";
 *
 * const empty = packBlocks(new Float32Array(16), [4, 4], [4, 1]);
 * if (packedBytes(empty) !== 8) throw new Error("expected the two block row starts alone");
 * ```
 */
export function packedBytes(matrix: BlockSparseMatrix): number {
  return (
    matrix.blockRowStarts.byteLength + matrix.blockColumns.byteLength + matrix.values.byteLength
  );
}

function checkBlocks(
  [rows, columns]: readonly [number, number],
  [height, width]: readonly [number, number],
): void {
  checkInteger("shape[0]", rows);
  checkInteger("shape[1]", columns);
  checkInteger("block[0]", height, 1);
  checkInteger("block[1]", width, 1);
  if (rows % height !== 0 || columns % width !== 0) {
    throw new RangeError(
      `shape: expected multiples of the block ${height}x${width}, got ${rows}x${columns}`,
    );
  }
}

function hasBits(
  bits: Uint32Array,
  start: number,
  columns: number,
  [height, width]: readonly [number, number],
): boolean {
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      if (bits[start + row * columns + column] !== 0) return true;
    }
  }
  return false;
}

/** Visits each row of each kept block: its start in the dense matrix, its length, its place in `values`. */
function moveBlocks(
  { shape, block, blockRowStarts, blockColumns }: BlockSparseMatrix,
  move: (start: number, length: number, position: number) => void,
): void {
  const columns = shape[1];
  const [height, width] = block;
  let position = 0;
  for (let blockRow = 0; blockRow + 1 < blockRowStarts.length; blockRow++) {
    const end = blockRowStarts[blockRow + 1] as number;
    for (let index = blockRowStarts[blockRow] as number; index < end; index++) {
      const start = blockRow * height * columns + (blockColumns[index] as number) * width;
      for (let row = 0; row < height; row++) {
        move(start + row * columns, width, position);
        position += width;
      }
    }
  }
}
